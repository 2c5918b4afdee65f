#include <semaphore.h>

#include "watch.h"

struct measuring {
    struct rpc_task task;
    struct hub *hub;
    struct hub_stats *stats;
    sem_t done;
};

/* By how many revisions a stream is behind the ring's end; 0 for a stream whose start is in the
 * future. */
static uint64_t lag_of(const struct watch *watch)
{
    uint64_t reached = watch->snapshot != NULL ? watch->snapshot->position.revision
                                               : watch_position(watch).revision;
    uint64_t newest = watch->hub->tail.revision;
    return reached >= newest ? 0 : newest - reached;
}

static void measure(struct rpc_task *task)
{
    struct measuring *m = CONTAINER_OF(task, struct measuring, task);
    struct hub *hub = m->hub;
    hub_take_inbox(hub);
    *m->stats = (struct hub_stats){
        .streams = atomic_load(&hub->n_streams),
        .messages = hub->n_messages,
        .events = hub->n_events,
        .ring_commits = hub->ring.n,
        .ring_bytes = hub->ring.bytes,
        .held_bytes = atomic_load(&hub->backlog_bytes),
    };
    for (const struct watch *watch = hub->streams; watch != NULL; watch = watch->next) {
        uint64_t lag = lag_of(watch);
        m->stats->lag = lag > m->stats->lag ? lag : m->stats->lag;
    }
    sem_post(&m->done);
}

void hub_measure(struct hub *hub, struct hub_stats *ret_stats)
{
    struct measuring m = {.task.fn = measure, .hub = hub, .stats = ret_stats};
    sem_init(&m.done, 0, 0);
    rpc_server_post(hub->server, &m.task);
    while (sem_wait(&m.done) != 0) {
    }
    sem_destroy(&m.done);
}
