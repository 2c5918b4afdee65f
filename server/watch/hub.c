#include "hub.h"

#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "watch.h"

static void drain(struct rpc_task *task);

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *hub = mem_zalloc(sizeof *hub);
    hub->server = options->server;
    hub->store = options->store;
    hub->registry = options->registry;
    hub->pool = options->pool;
    hub->wake.fn = drain;
    pthread_mutex_init(&hub->lock, NULL);
    ring_init(&hub->ring, registry_position(hub->registry).revision + 1, options->ring_bytes);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (hub == NULL) {
        return;
    }
    for (size_t i = 0; i < hub->n_inbox; i++) {
        notice_unref(hub->inbox[i]);
    }
    free(hub->inbox);
    ring_fini(&hub->ring);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

uint64_t hub_stream_count(const struct hub *hub)
{
    return atomic_load(&hub->n_streams);
}

void hub_publish(struct hub *hub, const struct staged *staged)
{
    struct commit *commit = staged->commit;
    struct buf *configs[COMMIT_MAX_CHANGES];
    for (size_t i = 0; i < commit->n_changes; i++) {
        configs[i] = event_has_config(&commit->changes[i]) ? staged->after[i]->encoded : NULL;
    }
    struct notice *notice = notice_new(commit, configs, NULL);
    pthread_mutex_lock(&hub->lock);
    if (hub->n_inbox == hub->room_inbox) {
        hub->room_inbox = hub->room_inbox == 0 ? 64 : hub->room_inbox * 2;
        hub->inbox = mem_grow(hub->inbox, hub->room_inbox, sizeof hub->inbox[0]);
    }
    hub->inbox[hub->n_inbox++] = notice;
    pthread_mutex_unlock(&hub->lock);
}

void hub_wake(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    bool post = !hub->wake_posted;
    hub->wake_posted = true;
    pthread_mutex_unlock(&hub->lock);
    if (post) {
        rpc_server_post(hub->server, &hub->wake);
    }
}

static void put_in_ring(struct hub *hub, struct notice *notice)
{
    ring_erase(&hub->ring, notice->commit);
    ring_push(&hub->ring, notice);
}

static void drain(struct rpc_task *task)
{
    struct hub *hub = CONTAINER_OF(task, struct hub, wake);
    pthread_mutex_lock(&hub->lock);
    struct notice **notices = MOVE(hub->inbox);
    size_t n = hub->n_inbox;
    hub->n_inbox = 0;
    hub->room_inbox = 0;
    hub->wake_posted = false;
    pthread_mutex_unlock(&hub->lock);
    for (size_t i = 0; i < n; i++) {
        put_in_ring(hub, notices[i]);
    }
    free(notices);
    for (struct watch *watch = hub->streams, *next; watch != NULL; watch = next) {
        next = watch->next; /* a kick may end a stream */
        rpc_stream_kick(watch->stream);
    }
}

/* ---- Streams ---- */

static void list(struct watch *watch)
{
    struct hub *hub = watch->hub;
    watch->next = hub->streams;
    if (watch->next != NULL) {
        watch->next->previous = watch;
    }
    hub->streams = watch;
    watch->listed = true;
    atomic_fetch_add(&hub->n_streams, 1);
}

static void unlist(struct watch *watch)
{
    struct watch **link = watch->previous != NULL ? &watch->previous->next : &watch->hub->streams;
    *link = watch->next;
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    }
    watch->listed = false;
    atomic_fetch_sub(&watch->hub->n_streams, 1);
}

/* The server stops: how far the stream has come, then the end. */
static enum rpc_next say_goodbye(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    if (watch->said_goodbye || watch->phase != watch_send_events || watch->change > 0) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
                   "the server is stopping; resume after the last header");
        return RPC_NEXT_END;
    }
    watch->said_goodbye = true;
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_PROGRESS,
                       &watch->cursor, false);
    pieces->n = 1;
    return RPC_NEXT_MESSAGE;
}

static enum rpc_next next_message(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct watch *watch = state;
    if (!watch->listed) {
        list(watch);
    }
    if (atomic_load(&watch->job_running)) {
        return RPC_NEXT_IDLE;
    }
    if (watch->failed) {
        *st = watch->st;
        return RPC_NEXT_END;
    }
    if (rpc_server_stopping(watch->hub->server)) {
        return say_goodbye(watch, pieces, st);
    }
    return watch->phase(watch, pieces, st);
}

static void closed(void *state)
{
    struct watch *watch = state;
    if (watch->listed) {
        unlist(watch);
    }
}

static void released(void *state)
{
    struct watch *watch = state;
    for (size_t i = 0; i < watch->n_selectors; i++) {
        free((char *)(uintptr_t)watch->selectors[i].environment);
        free((char *)(uintptr_t)watch->selectors[i].service);
        free((char *)(uintptr_t)watch->selectors[i].service_prefix);
    }
    free(watch->selectors);
    for (size_t i = watch->next_backlog; i < watch->n_backlog; i++) {
        notice_unref(watch->backlog[i]);
    }
    free(watch->backlog);
    for (size_t i = 0; i < watch->n_configs; i++) {
        buf_unref(watch->configs[i]);
    }
    free(watch->configs);
    str_fini(&watch->snapshot_cursor.after);
    free(watch);
}

static const char *copy_or_null(const char *text)
{
    return text == NULL ? NULL : mem_string(text);
}

static void copy_selectors(struct watch *watch, const struct watch_spec *spec)
{
    watch->n_selectors = spec->n_selectors;
    watch->selectors = mem_array(spec->n_selectors, sizeof watch->selectors[0]);
    for (size_t i = 0; i < spec->n_selectors; i++) {
        const struct head_filter *from = &spec->selectors[i];
        watch->selectors[i] = (struct head_filter){
            .environment = copy_or_null(from->environment),
            .service = copy_or_null(from->service),
            .service_prefix = copy_or_null(from->service_prefix),
        };
    }
}

bool watch_selects(const struct watch *watch, const struct change *change)
{
    for (size_t i = 0; i < watch->n_selectors; i++) {
        if (head_filter_matches(&watch->selectors[i], change->environment, change->service)) {
            return true;
        }
    }
    return watch->n_selectors == 0;
}

/* A position at the log's end can be checked at once; an earlier one is when its commit is read, a
 * later one when it comes. */
static void check_end(struct watch *watch, const struct position *now)
{
    const struct watch_position *cursor = &watch->cursor;
    if (cursor->revision == now->revision && cursor->chain != 0 &&
        cursor->chain != hash_short(&now->hash)) {
        watch->failed = !watch_position_mismatch(cursor, &watch->st);
    }
}

void hub_open(struct hub *hub, struct rpc_call *call, const struct watch_spec *spec)
{
    static const struct rpc_stream_ops ops = {
        .next = next_message, .closed = closed, .released = released};
    struct position now = registry_position(hub->registry);
    struct watch *watch = mem_zalloc(sizeof *watch);
    watch->hub = hub;
    watch->phase = watch_begin;
    copy_selectors(watch, spec);
    if (spec->snapshot) {
        watch->snapshot = now;
        watch->phase = watch_send_snapshot;
    } else if (spec->start == 0) {
        watch->cursor = (struct watch_position){now.revision, hash_short(&now.hash)};
    } else {
        watch->cursor = (struct watch_position){spec->start - 1, spec->chain};
    }
    check_end(watch, &now);
    rpc_stream_open(call, &ops, watch, &watch->stream);
}

/* ---- Jobs ---- */

void watch_start_job(struct watch *watch, void (*run)(struct job *job))
{
    atomic_store(&watch->job_running, true);
    rpc_stream_ref(watch->stream);
    watch->job.run = run;
    pool_add(watch->hub->pool, &watch->job);
}

void watch_end_job(struct watch *watch)
{
    struct rpc_stream *stream = watch->stream;
    atomic_store(&watch->job_running, false);
    rpc_stream_kick(stream);
    rpc_stream_unref(stream);
}
