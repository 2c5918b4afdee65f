/* The phase of a stream that delivers the heads as of one revision. */
#include "confreg/v1/registry_service.pb-c.h"
#include "history.h"
#include "watch.h"

#define SNAPSHOT_HEADS 128

/* A config that an earlier selector has delivered is not delivered again. */
static bool delivered_before(const struct watch *watch, const struct head *head)
{
    for (size_t i = 0; i < watch->snapshot_selector; i++) {
        if (head_filter_matches(&watch->selectors[i], head_environment(head), head_service(head))) {
            return true;
        }
    }
    return false;
}

static bool add_config(struct watch *watch, const struct head *head)
{
    struct buf *config = NULL;
    if (delivered_before(watch, head)) {
        return true;
    }
    if (!history_config_as_of(watch->hub->store, head, watch->snapshot.revision, &config,
                              &watch->st)) {
        return false;
    }
    if (config != NULL) {
        watch->configs[watch->n_configs++] = config;
    }
    return true;
}

static void next_selector(struct watch *watch)
{
    watch->snapshot_selector++;
    watch->snapshot_done = watch->snapshot_selector >= watch->n_selectors;
    str_clear(&watch->snapshot_cursor.after);
    watch->snapshot_cursor.done = false;
}

static bool read_snapshot(struct watch *watch)
{
    static const struct head_filter everything = {NULL, NULL, NULL};
    const struct head_filter *filter =
        watch->n_selectors == 0 ? &everything : &watch->selectors[watch->snapshot_selector];
    struct head *heads[SNAPSHOT_HEADS];
    size_t n =
        registry_list(watch->hub->registry, filter, &watch->snapshot_cursor, heads, SNAPSHOT_HEADS);
    bool ok = true;
    watch->configs = mem_array(SNAPSHOT_HEADS, sizeof watch->configs[0]);
    for (size_t i = 0; i < n; i++) {
        ok = ok && add_config(watch, heads[i]);
        head_unref(heads[i]);
    }
    if (watch->snapshot_cursor.done) {
        next_selector(watch);
    }
    return ok;
}

void watch_read_snapshot(struct job *job)
{
    struct watch *watch = CONTAINER_OF(job, struct watch, job);
    watch->failed = !read_snapshot(watch);
    watch_end_job(watch);
}

static enum rpc_next finish_snapshot(struct watch *watch, struct rpc_pieces *pieces)
{
    watch->cursor =
        (struct watch_position){watch->snapshot.revision, hash_short(&watch->snapshot.hash)};
    pieces->items[0] =
        watch_response(watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT_END,
                       &watch->cursor, false);
    pieces->n = 1;
    watch->previous_revision = watch->snapshot.revision;
    watch->phase = watch_send_events;
    return RPC_NEXT_MESSAGE;
}

/* The part that was read, as far as it fits a message; the first config always does. */
static enum rpc_next send_part(struct watch *watch, struct rpc_pieces *pieces)
{
    static const struct watch_position nowhere = {0, 0};
    size_t bytes = 0;
    size_t n = 0;
    for (; n < watch->n_configs; n++) {
        bytes += watch->configs[n]->len;
        if (n > 0 && bytes > MESSAGE_BYTES) {
            break;
        }
        pieces->items[1 + n] = watch->configs[n];
    }
    watch->n_configs -= n;
    for (size_t i = 0; i < watch->n_configs; i++) {
        watch->configs[i] = watch->configs[n + i];
    }
    pieces->items[0] = watch_response(
        watch, CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT, &nowhere, false);
    pieces->n = n + 1;
    return RPC_NEXT_MESSAGE;
}

enum rpc_next watch_send_snapshot(struct watch *watch, struct rpc_pieces *pieces, struct status *st)
{
    (void)st;
    if (watch->n_configs > 0) {
        return send_part(watch, pieces);
    }
    free(MOVE(watch->configs));
    if (watch->snapshot_done) {
        return finish_snapshot(watch, pieces);
    }
    watch_start_job(watch, watch_read_snapshot);
    return RPC_NEXT_IDLE;
}
