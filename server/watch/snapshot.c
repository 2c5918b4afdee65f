/* The phase of a stream that delivers the heads as of one revision. */
#include "confreg/v1/registry_service.pb-c.h"
#include "history.h"
#include "watch.h"

#define SNAPSHOT_HEADS 128

/* A config that an earlier selector has delivered is not delivered again. */
static bool delivered_before(const struct watch *watch, const struct head *head)
{
    for (size_t i = 0; i < watch->snapshot->selector; i++) {
        if (head_filter_matches(&watch->selectors[i], head_environment(head), head_service(head))) {
            return true;
        }
    }
    return false;
}

static bool add_config(struct watch *watch, const struct head *head, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    struct buf *config = NULL;
    if (delivered_before(watch, head)) {
        return true;
    }
    if (!history_config_as_of(watch->hub->store, head, snapshot->position.revision, &config, st)) {
        return false;
    }
    if (config != NULL) {
        snapshot->configs[snapshot->n_configs++] = config;
    }
    return true;
}

static void next_selector(struct watch *watch)
{
    struct snapshot *snapshot = watch->snapshot;
    snapshot->selector++;
    snapshot->done = snapshot->selector == watch->n_selectors;
    str_clear(&snapshot->cursor.after);
    snapshot->cursor.done = false;
}

static bool read_snapshot(struct watch *watch, struct status *st)
{
    struct snapshot *snapshot = watch->snapshot;
    struct head *heads[SNAPSHOT_HEADS];
    size_t n = registry_list(watch->hub->registry, &watch->selectors[snapshot->selector],
                             &snapshot->cursor, heads, SNAPSHOT_HEADS);
    bool ok = true;
    snapshot->configs = mem_array(SNAPSHOT_HEADS, sizeof snapshot->configs[0]);
    for (size_t i = 0; i < n; i++) {
        ok = ok && add_config(watch, heads[i], st);
        head_unref(heads[i]);
    }
    if (snapshot->cursor.done) {
        next_selector(watch);
    }
    return ok;
}

void watch_read_snapshot(struct job *job)
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
    watch_start_job(watch, watch_read_snapshot);
    return RPC_NEXT_IDLE;
}
