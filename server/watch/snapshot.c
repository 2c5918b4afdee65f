/* The phase of a stream that delivers the heads as of one revision. */
#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "history.h"
#include "overlay.h"
#include "watch.h"

#define SNAPSHOT_HEADS 128

/* What the head under the cursor stands for in this snapshot, as of its revision; NULL: nothing. */
static bool config_of(const struct watch *watch, const struct head *head, struct buf **ret_config,
                      struct status *st)
{
    const struct hub *hub = watch->hub;
    const struct snapshot *snapshot = watch->snapshot;
    const char *environment = watch->selectors[snapshot->selector].environment;
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
    /* With an overlay it came before, under the overlay's own head. */
    return overlay != NULL ||
           watch_resolved_at(hub, environment, head_service(head), revision, ret_config, st);
}

static bool add_config(struct watch *watch, const struct head *head, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    const char *environment = snapshot->of_default
                                  ? watch->selectors[snapshot->selector].environment
                                  : head_environment(head);
    struct buf *config = NULL;
    /* What an earlier selector has delivered is not delivered again. */
    if (watch_selects_before(watch, snapshot->selector, environment, head_service(head))) {
        return true;
    }
    if (!config_of(watch, head, &config, st)) {
        return false;
    }
    if (config != NULL) {
        snapshot->configs[snapshot->n_configs++] = config;
    }
    return true;
}

/* Behind the heads of the selector itself come, where it resolves, those of `default`, which show
 * through where there is no overlay. */
static void next_part(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    const char *environment = watch->selectors[snapshot->selector].environment;
    snapshot->of_default = watch->wishes.resolve && !snapshot->of_default &&
                           strcmp(environment, DEFAULT_ENVIRONMENT) != 0;
    snapshot->selector += !snapshot->of_default;
    snapshot->done = snapshot->selector == watch->n_selectors;
    str_clear(&snapshot->cursor.after);
    snapshot->cursor.done = false;
}

static bool read_snapshot(struct watch *watch, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    struct head_filter filter = watch->selectors[snapshot->selector];
    struct head *heads[SNAPSHOT_HEADS];
    filter.environment = snapshot->of_default ? DEFAULT_ENVIRONMENT : filter.environment;
    size_t n =
        registry_list(watch->hub->registry, &filter, &snapshot->cursor, heads, SNAPSHOT_HEADS);
    bool ok = true;
    snapshot->configs = mem_array(SNAPSHOT_HEADS, sizeof snapshot->configs[0]);
    for (size_t i = 0; i < n; i++) {
        ok = ok && add_config(watch, heads[i], st);
        head_unref(heads[i]);
    }
    if (snapshot->cursor.done) {
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

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < snapshot->n_configs; i++) {
        buf_unref(snapshot->configs[i]);
    }
    free(snapshot->configs);
    str_fini(&snapshot->cursor.after);
    free(snapshot);
}

static enum rpc_next finish_snapshot(struct watch *watch, struct rpc_pieces *pieces)
{
    const struct position *position = &watch->snapshot->position;
    watch->cursor = (struct watch_position){position->revision, hash_short(&position->hash)};
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT_END,
                       &watch->cursor, false);
    pieces->n = 1;
    watch->previous_revision = position->revision;
    watch->phase = watch_send_events;
    snapshot_free(MOVE(watch->snapshot));
    return RPC_NEXT_MESSAGE;
}

/* The part that was read, as far as it fits a message; the first config always does. */
static enum rpc_next send_part(struct watch *watch, struct rpc_pieces *pieces)
{
    static const struct watch_position nowhere = {0, 0};
    struct snapshot *snapshot = watch->snapshot;
    size_t bytes = 0;
    size_t n = 0;
    for (; n < snapshot->n_configs; n++) {
        bytes += snapshot->configs[n]->len;
        if (n > 0 && bytes > MESSAGE_BYTES) {
            break;
        }
        pieces->items[1 + n] = snapshot->configs[n];
    }
    snapshot->n_configs -= n;
    for (size_t i = 0; i < snapshot->n_configs; i++) {
        snapshot->configs[i] = snapshot->configs[n + i];
    }
    pieces->items[0] = watch_response(
        watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT, &nowhere, false);
    pieces->n = n + 1;
    return RPC_NEXT_MESSAGE;
}

enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    (void)st;
    struct snapshot *snapshot = watch->snapshot;
    if (snapshot->n_configs > 0) {
        return send_part(watch, pieces);
    }
    free(MOVE(snapshot->configs));
    if (snapshot->done) {
        return finish_snapshot(watch, pieces);
    }
    watch_start_job(watch, read_next_part);
    return RPC_NEXT_IDLE;
}
