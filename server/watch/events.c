/* The phases of a stream that deliver what happens. */
#include <inttypes.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "watch.h"

#define NOTICES_AT_ONCE 8192 /* looked at before other streams have their turn */

struct buf *watch_response(const struct watch *watch, int kind,
                           const struct watch_position *position, bool more)
{
    Confreg__V1__WatchResponse response;
    Confreg__V1__Position header;
    confreg__v1__watch_response__init(&response);
    describe_position(&header, registry_epoch(watch->hub->registry), position->revision,
                      position->chain);
    response.header = &header;
    response.kind = (Confreg__V1__WatchResponseKind)kind;
    response.previous_revision = watch->previous_revision;
    response.more = more;
    return encode_message(&response.base);
}

/* ---- Where the next commit comes from ---- */

static struct notice *first_of_backlog(const struct watch *watch)
{
    return watch->next_backlog < watch->n_backlog ? watch->backlog[watch->next_backlog] : NULL;
}

static void pass_backlog(struct watch *watch)
{
    if (first_of_backlog(watch) == NULL) {
        return;
    }
    notice_unref(watch->backlog[watch->next_backlog++]);
    if (watch->next_backlog == watch->n_backlog) {
        free(MOVE(watch->backlog));
        watch->n_backlog = 0;
        watch->next_backlog = 0;
    }
}

/* The commit behind the cursor; NULL: it has not come yet, or (*ret_read) has to be read first. */
static struct notice *next_notice(struct watch *watch, bool *ret_read)
{
    const struct ring *ring = &watch->hub->ring;
    uint64_t revision = watch->cursor.revision + 1;
    struct notice *notice = first_of_backlog(watch);
    *ret_read = notice == NULL && revision < ring_first(ring);
    if (notice != NULL || *ret_read || revision >= ring->next) {
        return notice;
    }
    return ring_at(ring, revision);
}

bool watch_position_mismatch(const struct watch_position *position, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "POSITION_MISMATCH",
                      "revision %" PRIu64 " of this log is not the one that the position names; "
                      "start with a snapshot",
                      position->revision);
}

/* The log must go on from where the client says to have been. */
static bool check_chain(const struct watch *watch, const struct notice *notice, struct status *st)
{
    uint64_t chain = hash_short(&notice->commit->previous_hash);
    if (watch->cursor.chain == 0 || watch->cursor.chain == chain) {
        return true;
    }
    return watch_position_mismatch(&watch->cursor, st);
}

/* ---- Making a message ---- */

struct message {
    struct rpc_pieces *pieces;
    size_t bytes;
    uint64_t newest; /* the revision of the last event in it */
    bool more;
};

static bool fits(const struct message *message, size_t n, size_t bytes)
{
    bool empty = message->pieces->n == 1;
    return message->pieces->n + n <= RPC_STREAM_PIECES &&
           (empty || message->bytes + bytes <= MESSAGE_BYTES);
}

static size_t wanted_from(const struct watch *watch, const struct notice *notice, size_t first,
                          size_t *ret_bytes)
{
    size_t n = 0;
    *ret_bytes = 0;
    for (size_t i = first; i < notice->commit->n_changes; i++) {
        if (watch_selects(watch, &notice->commit->changes[i])) {
            *ret_bytes += notice->events[i]->len;
            n++;
        }
    }
    return n;
}

/* Adds what fits of a commit's events; true where that was all of them. */
static bool add_events(struct watch *watch, const struct notice *notice, struct message *message)
{
    for (; watch->change < notice->commit->n_changes; watch->change++) {
        struct buf *event = notice->events[watch->change];
        if (!watch_selects(watch, &notice->commit->changes[watch->change])) {
            continue;
        }
        if (!fits(message, 1, event->len)) {
            return false;
        }
        message->pieces->items[message->pieces->n++] = buf_ref(event);
        message->bytes += event->len;
        message->newest = notice->commit->revision;
    }
    return true;
}

static void pass(struct watch *watch, const struct notice *notice)
{
    watch->cursor =
        (struct watch_position){notice->commit->revision, hash_short(&notice->commit->hash)};
    watch->change = 0;
    pass_backlog(watch);
}

/* Commits go into a message whole. One that is too large for a message of its own is cut, and the
 * message says so. False: the message is full. */
static bool add_commit(struct watch *watch, const struct notice *notice, struct message *message)
{
    size_t bytes;
    size_t n = wanted_from(watch, notice, watch->change, &bytes);
    if (message->pieces->n > 1 && !fits(message, n, bytes)) {
        return false;
    }
    message->more = !add_events(watch, notice, message);
    if (message->more) {
        return false;
    }
    pass(watch, notice);
    return true;
}

static enum rpc_next finish_message(struct watch *watch, const struct message *message)
{
    if (message->pieces->n == 1) {
        message->pieces->n = 0;
        return RPC_NEXT_IDLE;
    }
    message->pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_EVENTS,
                       &watch->cursor, message->more);
    watch->previous_revision = message->newest;
    watch->hub->n_messages++;
    watch->hub->n_events += message->pieces->n - 1;
    return RPC_NEXT_MESSAGE;
}

static void drop_pieces(struct rpc_pieces *pieces)
{
    for (size_t i = 1; i < pieces->n; i++) {
        buf_unref(pieces->items[i]);
    }
    pieces->n = 0;
}

enum rpc_next watch_send_events(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    struct message message = {.pieces = pieces};
    pieces->n = 1; /* the first piece is made when it is known how far the message goes */
    bool read = false;
    size_t looked_at = 0;
    for (struct notice *notice; (notice = next_notice(watch, &read)) != NULL; looked_at++) {
        if (!check_chain(watch, notice, st)) {
            drop_pieces(pieces);
            return RPC_NEXT_END;
        }
        if (looked_at == NOTICES_AT_ONCE) {
            rpc_stream_kick(watch->stream);
            break;
        }
        if (!add_commit(watch, notice, &message)) {
            break;
        }
    }
    enum rpc_next result = finish_message(watch, &message);
    if (result == RPC_NEXT_IDLE && read) {
        watch_start_job(watch, watch_read_backlog);
    }
    return result;
}

/* The first message: the stream stands. Its header names the hash where the log has got there. */
enum rpc_next watch_begin(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    bool read = false;
    const struct notice *notice = next_notice(watch, &read);
    if (read) {
        watch_start_job(watch, watch_read_backlog);
        return RPC_NEXT_IDLE;
    }
    if (notice != NULL) {
        if (!check_chain(watch, notice, st)) {
            return RPC_NEXT_END;
        }
        watch->cursor.chain = hash_short(&notice->commit->previous_hash);
    }
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_STARTED,
                       &watch->cursor, false);
    pieces->n = 1;
    watch->phase = watch_send_events;
    return RPC_NEXT_MESSAGE;
}
