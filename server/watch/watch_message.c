#include "watch_message.h"

#include <assert.h>
#include <string.h>

#define HOLES_WORTH_IT 64 /* closing holes visits every piece */

void message_init(struct message *message, struct rpc_pieces *pieces, bool conflate,
                  size_t join_bytes)
{
    message->pieces = pieces;
    message->bytes = 0;
    message->join_bytes = join_bytes;
    message->newest = 0;
    message->oldest_of_ring = 0;
    message->more = false;
    message->conflate = conflate;
    message->n_holes = 0;
    message->newest_of = (struct table){0};
    pieces->n = 1;
}

bool message_is_empty(const struct message *message)
{
    return message->pieces->n == 1;
}

/* ---- The newest of each config ---- */

static uint64_t hash_of(const struct config_name *name)
{
    uint64_t environment = hash_table_key(name->environment, strlen(name->environment));
    return environment * 31 + hash_table_key(name->service, strlen(name->service));
}

static bool same_config(const void *item, const void *key)
{
    const struct config_name *a = item;
    const struct config_name *b = key;
    return strcmp(a->service, b->service) == 0 && strcmp(a->environment, b->environment) == 0;
}

/* Says that this piece is the newest of its config. Returns the one before; NULL: there is none. */
static struct config_name *put_newest(struct message *message, struct config_name *name)
{
    return table_put(&message->newest_of, hash_of(name), same_config, name, name);
}

/* Registers the next piece as the newest of its config. An older piece becomes a hole. */
static void replace_older(struct message *message, const struct config_name *name)
{
    struct rpc_pieces *pieces = message->pieces;
    message->names[pieces->n] = *name;
    const struct config_name *older = put_newest(message, &message->names[pieces->n]);
    if (older != NULL) {
        struct buf **hole = &pieces->items[older - message->names];
        message->bytes -= (*hole)->len;
        buf_unref(MOVE(*hole));
        message->n_holes++;
    }
}

static void close_holes(struct message *message)
{
    struct rpc_pieces *pieces = message->pieces;
    size_t n = 1;
    table_clear(&message->newest_of);
    for (size_t i = 1; i < pieces->n; i++) {
        if (pieces->items[i] == NULL) {
            continue;
        }
        pieces->items[n] = pieces->items[i];
        message->names[n] = message->names[i];
        put_newest(message, &message->names[n]);
        n++;
    }
    pieces->n = n;
    message->n_holes = 0;
}

/* ---- Filling it ---- */

bool message_has_room(struct message *message, size_t n, size_t bytes)
{
    if (message->pieces->n + n > RPC_STREAM_PIECES && message->n_holes >= HOLES_WORTH_IT) {
        close_holes(message);
    }
    return message->pieces->n + n <= RPC_STREAM_PIECES &&
           (message_is_empty(message) || message->bytes + bytes <= MESSAGE_BYTES);
}

bool message_may_join(struct message *message, size_t n, size_t bytes)
{
    return n == 0 || message_is_empty(message) ||
           (message_has_room(message, n, bytes) && message->bytes + bytes <= message->join_bytes);
}

void message_add(struct message *message, const struct config_name *name, uint64_t revision,
                 struct buf *event)
{
    if (message->conflate) {
        replace_older(message, name);
    }
    assert(message->pieces->n < RPC_STREAM_PIECES && "the caller has asked for room");
    message->pieces->items[message->pieces->n++] = buf_ref(event);
    message->bytes += event->len;
    message->newest = revision;
}

void message_end(struct message *message)
{
    if (message->n_holes > 0) {
        close_holes(message);
    }
    table_fini(&message->newest_of);
}

void message_drop(struct message *message)
{
    table_fini(&message->newest_of);
    for (size_t i = 1; i < message->pieces->n; i++) {
        buf_unref(message->pieces->items[i]);
    }
    message->pieces->n = 0;
}
