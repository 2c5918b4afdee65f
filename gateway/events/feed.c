#include "feed.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"
#include "reach.h"
#include "sse_event.h"
#include "sse_streams.h"
#include "upstream.h"
#include "waits.h"

struct feed {
    int fd;
    uint64_t resets;      /* view->resets of the last call; the mirror's thread */
    pthread_mutex_t lock; /* for all below */
    struct sse_events events;
    struct mirror_view view; /* the newest one */
    bool rung;               /* the eventfd was written and feed_run has not read it */
};

struct feed *feed_new(void)
{
    struct feed *feed = mem_zalloc(sizeof *feed);
    feed->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (feed->fd < 0) {
        abort();
    }
    pthread_mutex_init(&feed->lock, NULL);
    STAILQ_INIT(&feed->events);
    return feed;
}

void feed_free(struct feed *feed)
{
    if (feed != NULL) {
        sse_events_drop(&feed->events);
        close(feed->fd);
        pthread_mutex_destroy(&feed->lock);
        free(feed);
    }
}

int feed_fd(const struct feed *feed)
{
    return feed->fd;
}

static void make_events(const struct mirror_change *changes, size_t n, struct sse_events *events)
{
    for (size_t i = 0; i < n; i++) {
        struct sse_event *event = sse_event_new(&changes[i]);
        STAILQ_INSERT_TAIL(events, event, next);
    }
}

/* A snapshot that replaced the mirror's copy is one reset: what happened in between is not known,
 * so its differences are no events. */
void feed_changed(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                  size_t n)
{
    struct feed *feed = user;
    struct sse_events come = STAILQ_HEAD_INITIALIZER(come);
    bool is_reset = view->resets != feed->resets;
    feed->resets = view->resets;
    if (is_reset) {
        struct sse_event *event = sse_event_new_reset();
        STAILQ_INSERT_TAIL(&come, event, next);
    } else {
        make_events(changes, n, &come);
    }
    pthread_mutex_lock(&feed->lock);
    STAILQ_CONCAT(&feed->events, &come);
    feed->view = *view;
    bool ring = !feed->rung;
    feed->rung = true;
    pthread_mutex_unlock(&feed->lock);
    if (ring) {
        eventfd_write(feed->fd, 1);
    }
}

/* Only a change of the mirror's state counts: a call may have learned something newer since. */
static void note_reach(struct upstream *upstream, const struct mirror_view *view)
{
    bool was_in_step = atomic_load(&upstream->gauges.in_step);
    if (view->state == MIRROR_IN_STEP && !was_in_step) {
        reach_is_there(upstream);
    } else if (view->state != MIRROR_IN_STEP && was_in_step) {
        reach_is_away(upstream, "the mirror's watch has ended or brings nothing");
    }
}

static void show_view(struct mirror_gauges *gauges, const struct mirror_view *view)
{
    atomic_store(&gauges->in_step, view->state == MIRROR_IN_STEP);
    atomic_store(&gauges->revision, view->revision);
    atomic_store(&gauges->n_configs, view->n_configs);
    atomic_store(&gauges->in_step_ns, clock_monotonic_ns() - view->age_ms * 1000000);
}

/* Positions of the old log mean nothing in the new one. */
static void forget_old_log(struct upstream *upstream, const struct mirror_view *view)
{
    upstream->handed = (struct handed_out){0};
    handed_out_raise(&upstream->handed, view->epoch, view->revision);
    waits_all_changed(upstream->waits);
}

static void bring(struct upstream *upstream, struct sse_streams *streams, struct sse_events *events,
                  const struct mirror_view *view)
{
    struct sse_event *event;
    while ((event = STAILQ_FIRST(events)) != NULL) {
        STAILQ_REMOVE_HEAD(events, next);
        if (event->is_reset) {
            forget_old_log(upstream, view);
        } else {
            waits_changed(upstream->waits, event->service_name);
        }
        sse_streams_add(streams, event);
    }
    waits_moved(upstream->waits, view->revision);
}

void feed_run(struct feed *feed, struct upstream *upstream, struct sse_streams *streams)
{
    struct sse_events come = STAILQ_HEAD_INITIALIZER(come);
    eventfd_t count;
    if (eventfd_read(feed->fd, &count) != 0) {
        return;
    }
    pthread_mutex_lock(&feed->lock);
    STAILQ_CONCAT(&come, &feed->events);
    struct mirror_view view = feed->view;
    feed->rung = false;
    pthread_mutex_unlock(&feed->lock);
    note_reach(upstream, &view);
    show_view(&upstream->gauges, &view);
    bring(upstream, streams, &come, &view);
}
