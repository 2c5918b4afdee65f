/* The phases of a stream that deliver events. */
#include <assert.h>
#include <inttypes.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "watch.h"

#define COMMITS_AT_ONCE 8192 /* commits examined before other streams get their turn */

/* ---- Where the next commit comes from ---- */

static struct encoded_commit *first_of_backlog(const struct watch *watch)
{
    return watch->next_backlog < watch->n_backlog ? watch->backlog[watch->next_backlog] : NULL;
}

/* The commit after the cursor. NULL: it has not come yet, or (*ret_read true) must be read from the
 * store first. */
static struct encoded_commit *next_encoded(const struct watch *watch, bool *ret_read)
{
    struct ring *ring = &watch->hub->ring;
    uint64_t revision = watch->cursor.revision + 1;
    struct encoded_commit *encoded = first_of_backlog(watch);
    *ret_read = false;
    if (encoded != NULL || revision >= ring->next) {
        return encoded;
    }
    if (revision < ring_first(ring)) {
        preload_take(watch->hub->preload, ring);
    }
    encoded = revision < ring_first(ring) ? NULL : ring_at(ring, revision);
    *ret_read = encoded == NULL || watch->wishes.resolve ||
                (watch->wishes.include_previous && !encoded->has_previous);
    return *ret_read ? NULL : encoded;
}

/* Starts a job that reads commits and encodes their events for this stream. With resolve the
 * commits may be in the ring. */
static void start_reading(struct watch *watch)
{
    const struct ring *ring = &watch->hub->ring;
    uint64_t revision = watch->cursor.revision + 1;
    if (watch->wishes.resolve && revision >= ring_first(ring)) {
        watch->taken = mem_array(READ_COMMITS, sizeof watch->taken[0]);
        for (; revision < ring->next && watch->n_taken < READ_COMMITS; revision++) {
            watch->taken[watch->n_taken++] = commit_ref(ring_at(ring, revision)->commit);
        }
    }
    watch_start_job(watch, watch_read_backlog);
}

/* One hash in 2,048 is representable as a double: more likely, the client keeps numbers as such. */
static bool looks_rounded(uint64_t chain)
{
    return chain <= UINT64_MAX - (UINT64_C(1) << 11) && (uint64_t)(double)chain == chain;
}

static bool position_mismatch(const struct watch_position *position, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "POSITION_MISMATCH",
                      "revision %" PRIu64 " of this log is not the one that the position names; %s",
                      position->revision,
                      looks_rounded(position->chain)
                          ? "the hash looks rounded: send the token of the position alone"
                          : "start with a snapshot");
}

/* Checks that the log's hash at the cursor equals the one that the client has sent. */
static bool check_chain(const struct watch *watch, uint64_t chain, struct status *st)
{
    if (watch->cursor.chain == 0 || watch->cursor.chain == chain) {
        return true;
    }
    return position_mismatch(&watch->cursor, st);
}

/* ---- Making a message ---- */

/* An event of a stream that resolves is of another config than its change. */
static bool sees(struct watch *watch, const struct commit *commit,
                 const struct encoded_event *event)
{
    return watch->wishes.resolve
               ? watch_sees(watch, event->environment, commit->changes[event->change].service)
               : watch_sees_change(watch, commit, event->change);
}

/* A stream with conflate delivers heads: changes that do not touch a head are skipped. */
static bool wants(struct watch *watch, const struct encoded_commit *encoded,
                  const struct encoded_event *event)
{
    const struct change *change = &encoded->commit->changes[event->change];
    return (encoded->chosen || watch_selects(watch, change)) &&
           sees(watch, encoded->commit, event) &&
           (!watch->wishes.conflate || change_touches_head(change));
}

/* The event in the form that the stream's options require. An event that was encoded for this
 * stream has only that form. */
static struct buf *form_of(const struct watch *watch, const struct encoded_event *event)
{
    bool is_full = watch->wishes.include_previous && event->full != NULL;
    struct buf *brief = is_full ? event->brief_full : event->brief_plain;
    if (brief != NULL && !watch->wishes.include_large) {
        return brief;
    }
    return is_full ? event->full : event->plain;
}

static size_t wanted_from(struct watch *watch, const struct encoded_commit *encoded, size_t first,
                          size_t *ret_bytes)
{
    size_t n = 0;
    *ret_bytes = 0;
    for (size_t i = first; i < encoded->n_events; i++) {
        if (wants(watch, encoded, &encoded->events[i])) {
            *ret_bytes += form_of(watch, &encoded->events[i])->len;
            n++;
        }
    }
    return n;
}

/* Adds the events of a commit that fit. True: all of them were added. */
static bool add_events(struct watch *watch, const struct encoded_commit *encoded,
                       struct message *message)
{
    const struct commit *commit = encoded->commit;
    for (; watch->event < encoded->n_events; watch->event++) {
        const struct encoded_event *event = &encoded->events[watch->event];
        struct buf *form = form_of(watch, event);
        if (!wants(watch, encoded, event)) {
            continue;
        }
        if (!message_has_room(message, 1, form->len)) {
            return false;
        }
        struct config_name name = {event->environment, commit->changes[event->change].service};
        message_add(message, &name, commit->revision, form);
    }
    return true;
}

static void pass(struct watch *watch, const struct encoded_commit *encoded)
{
    assert(encoded->commit->revision == watch->cursor.revision + 1 && "no commit is left out");
    watch->cursor =
        (struct watch_position){encoded->commit->revision, hash_short(&encoded->commit->hash)};
    watch->event = 0;
    watch->next_backlog += first_of_backlog(watch) != NULL;
}

/* Adds a whole commit. A commit that is too large for one message is split, and `more` is set.
 * False: the message is full. */
static bool add_commit(struct watch *watch, const struct encoded_commit *encoded,
                       struct message *message)
{
    size_t bytes;
    size_t n = wanted_from(watch, encoded, watch->event, &bytes);
    if (!message_may_join(message, n, bytes)) {
        return false;
    }
    if (n > 0 && message->oldest_of_ring == 0 && first_of_backlog(watch) == NULL) {
        message->oldest_of_ring = encoded->commit->revision;
    }
    message->more = !add_events(watch, encoded, message);
    if (message->more) {
        return false;
    }
    pass(watch, encoded);
    return true;
}

static enum rpc_next finish_message(struct watch *watch, struct message *message)
{
    message_end(message);
    if (message_is_empty(message)) {
        message_drop(message);
        return RPC_NEXT_IDLE;
    }
    message->pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_EVENTS,
                       &watch->cursor, message->more);
    watch->previous_revision = message->newest;
    if (message->oldest_of_ring != 0) {
        flight_begin(watch, message->oldest_of_ring, message->bytes);
    }
    watch->hub->n_messages++;
    watch->hub->n_events += message->pieces->n - 1;
    return RPC_NEXT_MESSAGE;
}

/* Called at the end of the log: the stream becomes level, or waits for its start. */
static bool reach_end(struct watch *watch, struct status *st)
{
    struct hub *hub = watch->hub;
    if (watch->cursor.revision > hub->tail.revision) {
        heap_put(&hub->held, &watch->held, watch->cursor.revision);
        return true;
    }
    watch->level = true;
    return check_chain(watch, hub->tail.chain, st);
}

/* Fills the message with the next commits. False: the stream ends with st. */
static bool gather(struct watch *watch, struct message *message, bool *ret_read, struct status *st)
{
    size_t looked_at = 0;
    for (struct encoded_commit *encoded; (encoded = next_encoded(watch, ret_read)) != NULL;
         looked_at++) {
        if (!check_chain(watch, hash_short(&encoded->commit->previous_hash), st)) {
            return false;
        }
        if (looked_at == COMMITS_AT_ONCE) {
            rpc_stream_kick(watch->stream);
            return true;
        }
        if (!add_commit(watch, encoded, message)) {
            return true;
        }
    }
    return *ret_read || reach_end(watch, st);
}

/* With conflate, joining more commits makes the stream shorter. */
static size_t join_bytes(const struct watch *watch)
{
    size_t most = watch->wishes.conflate ? MESSAGE_BYTES : JOIN_BYTES;
    size_t share = watch_share(watch->hub);
    return share < most ? share : most;
}

enum rpc_next watch_send_events(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    struct message message;
    bool read = false;
    flight_end(watch);
    watch_drop_backlog(watch, true);
    if (watch->level) {
        return RPC_NEXT_IDLE;
    }
    message_init(&message, pieces, watch->wishes.conflate, join_bytes(watch));
    if (!gather(watch, &message, &read, st)) {
        message_drop(&message);
        return RPC_NEXT_END;
    }
    enum rpc_next result = finish_message(watch, &message);
    if (result == RPC_NEXT_IDLE) {
        watch_drop_backlog(watch, true);
        if (read) {
            start_reading(watch);
        }
    }
    return result;
}

/* The log's hash at the cursor; 0: the log has not reached it. False: it must be read from the
 * store first. */
static bool find_chain(const struct watch *watch, uint64_t *ret_chain)
{
    const struct watch_position *tail = &watch->hub->tail;
    bool read = false;
    const struct encoded_commit *encoded = next_encoded(watch, &read);
    *ret_chain = watch->cursor.revision == tail->revision ? tail->chain : 0;
    if (encoded != NULL) {
        *ret_chain = hash_short(&encoded->commit->previous_hash);
    }
    return !read;
}

/* Makes the first message, which says that the watch is established. */
enum rpc_next watch_begin(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    uint64_t chain;
    if (!watch_has_same_rights(watch, st)) {
        return RPC_NEXT_END;
    }
    if (!find_chain(watch, &chain)) {
        start_reading(watch);
        return RPC_NEXT_IDLE;
    }
    if (chain != 0) {
        if (!check_chain(watch, chain, st)) {
            return RPC_NEXT_END;
        }
        watch->cursor.chain = chain;
    }
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_STARTED,
                       &watch->cursor, false);
    pieces->n = 1;
    watch->phase = watch_send_events;
    return RPC_NEXT_MESSAGE;
}
