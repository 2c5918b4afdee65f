/* The life of a stream, from the call to its end; on the stream thread. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "access.h"
#include "caller.h"
#include "clock.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "failpoint.h"
#include "overlay.h"
#include "watch.h"

/* ---- Where it stands ---- */

struct watch_position watch_position(const struct watch *watch)
{
    return watch->level ? watch->hub->tail : watch->cursor;
}

bool watch_selects(const struct watch *watch, const struct change *change)
{
    return selection_has(&watch->selection, change->environment, change->service);
}

/* A change that was just added to the ring. */
struct added_change {
    const struct encoded_commit *encoded;
    size_t change;
};

/* Whether the stream may deliver something because of the change. A resolved config is not the one
 * that changes: such a stream finds out by itself. */
static bool may_tell(struct watch *watch, const struct added_change *news)
{
    return watch->wishes.resolve || watch_sees_change(watch, news->encoded->commit, news->change);
}

/* Wakes a level stream for the first commit that it may select; it has delivered everything before.
 * A stream that is not level reaches the commit by itself. */
static void wake_interested(struct interest *interest, void *user)
{
    const struct added_change *news = user;
    const struct encoded_commit *encoded = news->encoded;
    struct watch *watch = interest->owner;
    if (watch->level && may_tell(watch, news)) {
        watch->level = false;
        watch->cursor = (struct watch_position){encoded->commit->revision - 1,
                                                hash_short(&encoded->commit->previous_hash)};
        rpc_stream_kick(watch->stream);
    }
}

void watch_tell(struct hub *hub, const struct encoded_commit *encoded)
{
    const struct commit *commit = encoded->commit;
    for (size_t i = 0; i < commit->n_changes; i++) {
        struct added_change news = {encoded, i};
        interests_visit(&hub->interests, commit->changes[i].environment, commit->changes[i].service,
                        wake_interested, &news);
    }
    for (struct heap_node *node; (node = heap_first(&hub->held)) != NULL;) {
        if (node->key > commit->revision) {
            return;
        }
        heap_remove(&hub->held, node);
        rpc_stream_kick(CONTAINER_OF(node, struct watch, held)->stream);
    }
}

/* ---- Messages of its own ---- */

struct buf *watch_response(const struct watch *watch, int kind,
                           const struct watch_position *position, bool more)
{
    Confreg__V1__WatchResponse response;
    struct described_position header;
    confreg__v1__watch_response__init(&response);
    describe_position(&header, registry_epoch(watch->hub->registry), position->revision,
                      position->chain);
    describe_rights(&header, watch->is_mixed ? VIEW_DIGEST_VOID : watch->rights);
    response.header = &header.message;
    response.kind = (Confreg__V1__WatchResponseKind)kind;
    response.previous_revision = watch->previous_revision;
    response.more = more;
    response.filtered = watch->view.extent != VIEW_ALL;
    return encode_message(&response.base);
}

/* A whole message that says how far the stream has come. */
static enum rpc_next tell_progress(struct watch *watch, struct rpc_pieces *pieces)
{
    FAILPOINT(progress);
    struct watch_position position = watch_position(watch);
    pieces->items[0] = watch_response(
        watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_PROGRESS, &position, false);
    pieces->n = 1;
    return RPC_NEXT_MESSAGE;
}

/* Whether the stream has a position to report: it is not in the middle of a commit. */
static bool can_tell_position(const struct watch *watch)
{
    return watch->phase == watch_send_events && watch->event == 0;
}

/* The server stops: sends the stream's position, then ends it. While a job runs the position is not
 * known, and the store may delay the job for long, so the stream ends without it. */
static enum rpc_next say_goodbye(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    if (watch->said_goodbye || atomic_load(&watch->job_running) || !can_tell_position(watch)) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
                   "the server is stopping; resume after the last header");
        return RPC_NEXT_END;
    }
    watch->said_goodbye = true;
    return tell_progress(watch, pieces);
}

/* ---- Progress marks ---- */

/* The timer is not moved with every message: it looks when the last one was. */
static void check_silence(struct rpc_timer *timer)
{
    struct watch *watch = CONTAINER_OF(timer, struct watch, timer);
    int64_t now = clock_monotonic_ns();
    int64_t due = watch->sent_ns + watch->wishes.progress_ns;
    if (due <= now) {
        watch->mark_due = true;
        rpc_stream_kick(watch->stream);
        due = now + watch->wishes.progress_ns;
    }
    rpc_server_set_timer(watch->hub->server, timer, due);
}

static void note_message(struct watch *watch)
{
    if (watch->wishes.progress_ns > 0) {
        watch->sent_ns = clock_monotonic_ns();
        watch->mark_due = false;
    }
}

static bool is_at_end(const struct watch *watch)
{
    return watch_position(watch).revision >= watch->hub->tail.revision;
}

static bool is_mark_due(const struct watch *watch)
{
    return can_tell_position(watch) && (watch->mark_due || (watch->mark_asked && is_at_end(watch)));
}

/* ---- From open to released ---- */

static void add_interest(struct watch *watch, const struct head_filter *filter)
{
    struct interest *interest = &watch->interests[watch->n_interests++];
    interest->owner = watch;
    interests_add(&watch->hub->interests, interest, filter);
}

static void add_interests(struct watch *watch)
{
    watch->interests = mem_array(2 * watch->selection.n, sizeof watch->interests[0]);
    for (size_t i = 0; i < watch->selection.n; i++) {
        struct head_filter filter = watch->selection.filters[i];
        add_interest(watch, &filter);
        if (watch->wishes.resolve) {
            filter.environment = DEFAULT_ENVIRONMENT;
            add_interest(watch, &filter);
        }
    }
}

static void add_key(struct interests *interests, struct interest *interest, struct watch *watch,
                    const struct head_filter *key)
{
    interest->owner = watch;
    interests_add(interests, interest, key);
}

static void add_id(struct watch *watch)
{
    struct watch_key key;
    watch_key_init(&key, watch->caller, watch->id);
    const struct head_filter filter = {.environment = key.principal, .service = key.id};
    add_key(&watch->hub->ids, &watch->id_entry, watch, &filter);
}

static void list(struct watch *watch)
{
    struct hub *hub = watch->hub;
    watch->next = hub->streams;
    if (watch->next != NULL) {
        watch->next->previous = watch;
    }
    hub->streams = watch;
    add_interests(watch);
    const struct head_filter peer = {.service = watch->peer};
    add_key(&hub->connections, &watch->peer_entry, watch, &peer);
    if (watch->id[0] != '\0') {
        add_id(watch);
    }
    if (watch->wishes.progress_ns > 0) {
        watch->timer.fn = check_silence;
        watch->sent_ns = clock_monotonic_ns();
        rpc_server_set_timer(hub->server, &watch->timer,
                             watch->sent_ns + watch->wishes.progress_ns);
    }
    watch->listed = true;
    if (atomic_fetch_add(&hub->n_streams, 1) == 0) {
        hub_follow_rights(hub);
        hub_take_inbox(hub);
    }
}

static void unlist(struct watch *watch)
{
    struct hub *hub = watch->hub;
    *(watch->previous != NULL ? &watch->previous->next : &hub->streams) = watch->next;
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    }
    for (size_t i = 0; i < watch->n_interests; i++) {
        interests_remove(&hub->interests, &watch->interests[i]);
    }
    interests_remove(&hub->connections, &watch->peer_entry);
    if (watch->id[0] != '\0') {
        interests_remove(&hub->ids, &watch->id_entry);
    }
    heap_remove(&hub->held, &watch->held);
    heap_remove(&hub->flights, &watch->flight);
    rpc_server_clear_timer(hub->server, &watch->timer);
    watch->level = false;
    watch->listed = false;
    atomic_fetch_sub(&hub->n_streams, 1);
}

/* The count includes the new stream. */
static bool check_connection(const struct watch *watch, struct status *st)
{
    size_t max = watch->hub->max_of_connection;
    if (max != 0 && interests_beside(&watch->peer_entry) > max) {
        status_set_outcome(st, OUTCOME_WATCHES_COUNT,
                           "at most %zu watches on a connection (--max-watches), and it has them",
                           max);
        status_add_number(st, "limit", max);
        return false;
    }
    return true;
}

static enum rpc_next next_of_phase(struct watch *watch, struct rpc_pieces *pieces,
                                   struct status *st)
{
    enum rpc_next next = watch->phase(watch, pieces, st);
    if (next == RPC_NEXT_IDLE && is_mark_due(watch)) {
        watch->mark_asked = watch->mark_asked && !is_at_end(watch);
        next = tell_progress(watch, pieces);
    }
    if (next == RPC_NEXT_MESSAGE) {
        note_message(watch);
    }
    return next;
}

static enum rpc_next next_message(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct watch *watch = state;
    if (!watch->listed) {
        list(watch);
        if (!check_connection(watch, st)) {
            return RPC_NEXT_END;
        }
    }
    if (rpc_server_stopping(watch->hub->server)) {
        return say_goodbye(watch, pieces, st);
    }
    if (atomic_load(&watch->job_running)) {
        return RPC_NEXT_IDLE;
    }
    if (watch->fault != NULL) {
        *st = *watch->fault;
        return RPC_NEXT_END;
    }
    if (!watch_follow_rights(watch, st)) {
        return RPC_NEXT_END;
    }
    return next_of_phase(watch, pieces, st);
}

static void closed(void *state)
{
    struct watch *watch = state;
    atomic_store(&watch->over, true);
    if (watch->listed) {
        unlist(watch);
    }
}

static void released(void *state)
{
    struct watch *watch = state;
    if (watch->wishes.include_previous) {
        atomic_fetch_sub(&watch->hub->n_previous, 1);
    }
    assert(watch->taken == NULL && "a job that was started has run");
    flight_end(watch);
    watch_drop_backlog(watch, false);
    watch_drop_snapshot(watch);
    free(watch->fault);
    free(watch->id);
    selection_fini(&watch->selection);
    caller_unref(watch->caller);
    free(watch->interests);
    free(watch);
}

static void set_start(struct watch *watch, const struct watch_spec *spec)
{
    struct position now = registry_position(watch->hub->registry);
    watch->phase = watch_begin;
    if (spec->snapshot) {
        watch->snapshot = mem_zalloc(sizeof *watch->snapshot);
        watch->snapshot->position = now;
        watch->phase = watch_send_snapshot;
    } else if (spec->start == 0) {
        watch->cursor = (struct watch_position){now.revision, hash_short(&now.hash)};
    } else {
        watch->cursor = (struct watch_position){spec->start - 1, spec->chain};
        watch->resumed = spec->rights;
    }
}

void hub_open(struct hub *hub, struct rpc_call *call, const struct watch_spec *spec)
{
    static const struct rpc_stream_ops ops = {
        .next = next_message, .closed = closed, .released = released};
    struct watch *watch = mem_zalloc(sizeof *watch);
    watch->hub = hub;
    watch->wishes = spec->wishes;
    watch->id = mem_string(spec->id);
    watch->peer = rpc_call_peer(call);
    selection_init(&watch->selection, spec->selectors, spec->n_selectors);
    watch->generation = caller_generation(spec->caller);
    watch_set_caller(watch, caller_ref(spec->caller));
    if (watch->wishes.include_previous) {
        atomic_fetch_add(&hub->n_previous, 1);
    }
    set_start(watch, spec);
    rpc_stream_open(call, &ops, watch, &watch->stream);
}

/* ---- Jobs ---- */

static struct watch *watch_of(const struct job *job)
{
    return CONTAINER_OF((struct job *)(uintptr_t)job, struct watch, job);
}

/* A stopping server ends the stream instead of running its job. */
static bool is_wanted(const struct job *job)
{
    const struct watch *watch = watch_of(job);
    return !atomic_load(&watch->over) && !rpc_server_stopping(watch->hub->server);
}

static void drop(struct job *job, enum job_drop why)
{
    assert(why == JOB_UNWANTED && "a stream has one job at most, so that none is refused");
    struct watch *watch = watch_of(job);
    while (watch->n_taken > 0) {
        commit_unref(watch->taken[--watch->n_taken]);
    }
    free(MOVE(watch->taken));
    watch_end_job(watch, NULL);
}

void watch_start_job(struct watch *watch, void (*run)(struct job *job))
{
    atomic_store(&watch->job_running, true);
    rpc_stream_ref(watch->stream);
    watch->job = (struct job){.run = run, .drop = drop, .is_wanted = is_wanted};
    pool_add(watch->hub->pool, JOB_WATCH, &watch->job);
}

void watch_end_job(struct watch *watch, const struct status *fault)
{
    struct rpc_stream *stream = watch->stream;
    if (fault != NULL) {
        watch->fault = mem_alloc(sizeof *fault);
        *watch->fault = *fault;
    }
    atomic_store(&watch->job_running, false);
    rpc_stream_kick(stream);
    rpc_stream_unref(stream);
}
