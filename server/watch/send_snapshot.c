/* The phase of a stream that delivers the heads as of one revision. */
#include <assert.h>
#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "encode.h"
#include "history.h"
#include "overlay.h"
#include "watch.h"

/* The config that the head contributes to the snapshot, as of its revision; NULL: none. */
static bool config_of(const struct watch *watch, const struct head *head, struct buf **ret_config,
                      struct status *st)
{
    const struct hub *hub = watch->hub;
    const struct snapshot *snapshot = watch->snapshot;
    const char *environment = watch->selection.filters[snapshot->selector].environment;
    uint64_t revision = snapshot->position.revision;
    if (!history_config_as_of(hub->store, head, revision, ret_config, st)) {
        return false;
    }
    AUTO(buf_unref) struct buf *own = *ret_config;
    if (!watch->wishes.resolve || own == NULL) {
        *ret_config = MOVE(own);
        return true;
    }
    *ret_config = NULL;
    AUTO(buf_unref) struct buf *overlay = NULL;
    if (snapshot->of_default && !history_find_config(hub->store, hub->registry, environment,
                                                     head_service(head), revision, &overlay, st)) {
        return false;
    }
    /* If there is an overlay, the resolved config was delivered with the overlay's head. */
    return overlay != NULL ||
           watch_resolved_at(hub, environment, head_service(head), revision, ret_config, st);
}

static bool add_config(struct watch *watch, struct head *head, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    const char *environment = snapshot->of_default
                                  ? watch->selection.filters[snapshot->selector].environment
                                  : head_environment(head);
    struct buf *config = NULL;
    /* The config was delivered for an earlier selector. */
    if (selection_has_before(&watch->selection, snapshot->selector, environment,
                             head_service(head)) ||
        !watch_sees(watch, environment, head_service(head))) {
        return true;
    }
    if (!config_of(watch, head, &config, st)) {
        return false;
    }
    config = encode_fitting(config, watch->wishes.include_large);
    if (config != NULL) {
        assert(snapshot->n_configs < COUNT_OF(snapshot->configs) && "a head brings one config");
        snapshot->configs[snapshot->n_configs++] =
            (struct snapshot_config){config, environment, head_ref(head)};
        size_t own = config == head->encoded ? 0 : config->len;
        snapshot->bytes += config->len;
        snapshot->own_bytes += own;
        atomic_fetch_add(&watch->hub->backlog_bytes, own);
    }
    return true;
}

/* Continues with the next selector. With resolve, the heads of `default` follow those of the
 * selector: they are delivered if there is no overlay. */
static void next_part(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    assert(snapshot->selector < watch->selection.n && "no part follows the last one");
    const char *environment = watch->selection.filters[snapshot->selector].environment;
    snapshot->of_default = watch->wishes.resolve && !snapshot->of_default &&
                           strcmp(environment, DEFAULT_ENVIRONMENT) != 0;
    snapshot->selector += !snapshot->of_default;
    snapshot->done = snapshot->selector == watch->selection.n;
    str_clear(&snapshot->cursor.after);
    snapshot->cursor.done = false;
}

static void list_heads(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    struct head_filter filter = watch->selection.filters[snapshot->selector];
    filter.environment = snapshot->of_default ? DEFAULT_ENVIRONMENT : filter.environment;
    snapshot->next_head = 0;
    snapshot->n_heads = registry_list(watch->hub->registry, &filter, &snapshot->cursor,
                                      snapshot->heads, SNAPSHOT_HEADS);
}

/* Makes the next part of the page's heads, up to the stream's share of the budget. */
static bool read_snapshot(struct watch *watch, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    size_t max_bytes = watch_share(watch->hub);
    bool ok = true;
    if (snapshot->next_head == snapshot->n_heads) {
        list_heads(watch);
    }
    while (ok && snapshot->next_head < snapshot->n_heads && snapshot->bytes < max_bytes) {
        struct head *head = snapshot->heads[snapshot->next_head++];
        ok = add_config(watch, head, st);
        head_unref(head);
    }
    if (snapshot->next_head == snapshot->n_heads && snapshot->cursor.done) {
        next_part(watch);
    }
    return ok;
}

static void read_next_part(struct job *job)
{
    struct watch *watch = CONTAINER_OF(job, struct watch, job);
    struct status st;
    bool ok = read_snapshot(watch, &st);
    watch_end_job(watch, ok ? NULL : &st);
}

/* Releases the part: it has left, or the stream is over. */
static void drop_part(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    while (snapshot->next_config < snapshot->n_configs) {
        struct snapshot_config *config = &snapshot->configs[snapshot->next_config++];
        buf_unref(config->encoded);
        head_unref(config->head);
    }
    atomic_fetch_sub(&watch->hub->backlog_bytes, snapshot->own_bytes);
    snapshot->bytes = 0;
    snapshot->own_bytes = 0;
    snapshot->n_configs = 0;
    snapshot->next_config = 0;
}

void watch_drop_snapshot(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    if (snapshot == NULL) {
        return;
    }
    drop_part(watch);
    while (snapshot->next_head < snapshot->n_heads) {
        head_unref(snapshot->heads[snapshot->next_head++]);
    }
    str_fini(&snapshot->cursor.after);
    free(MOVE(watch->snapshot));
}

static enum rpc_next finish_snapshot(struct watch *watch, struct rpc_pieces *pieces)
{
    assert(watch->snapshot->next_head == watch->snapshot->n_heads && "every head was delivered");
    const struct position *position = &watch->snapshot->position;
    watch->cursor = (struct watch_position){position->revision, hash_short(&position->hash)};
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT_END,
                       &watch->cursor, false);
    pieces->n = 1;
    watch->previous_revision = position->revision;
    watch->phase = watch_send_events;
    watch_drop_snapshot(watch);
    return RPC_NEXT_MESSAGE;
}

/* Sends the configs of the part that fit into one message; the first one always fits. Rights may
 * have changed since the part was read. */
static enum rpc_next send_part(struct watch *watch, struct rpc_pieces *pieces)
{
    static const struct watch_position nowhere = {0, 0};
    struct snapshot *snapshot = watch->snapshot;
    size_t bytes = 0;
    pieces->n = 1;
    for (; snapshot->next_config < snapshot->n_configs; snapshot->next_config++) {
        const struct snapshot_config *config = &snapshot->configs[snapshot->next_config];
        bool sees = watch_sees(watch, config->environment, head_service(config->head));
        bytes += sees ? config->encoded->len : 0;
        if (pieces->n > 1 && bytes > MESSAGE_BYTES) {
            break;
        }
        assert(pieces->n < COUNT_OF(pieces->items) && "a part fits into a message");
        if (sees) {
            pieces->items[pieces->n++] = config->encoded;
        } else {
            buf_unref(config->encoded);
        }
        head_unref(config->head);
    }
    pieces->items[0] = watch_response(
        watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT, &nowhere, false);
    return RPC_NEXT_MESSAGE;
}

enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    (void)st;
    struct snapshot *snapshot = watch->snapshot;
    if (snapshot->next_config < snapshot->n_configs) {
        return send_part(watch, pieces);
    }
    drop_part(watch);
    if (snapshot->done) {
        return finish_snapshot(watch, pieces);
    }
    watch_start_job(watch, read_next_part);
    return RPC_NEXT_IDLE;
}
