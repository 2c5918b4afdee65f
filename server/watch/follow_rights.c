/* The rights of streams: the configs that they may deliver, and how they follow a change. */
#include <string.h>

#include "access.h"
#include "caller.h"
#include "clock.h"
#include "hash.h"
#include "overlay.h"
#include "view_key.h"
#include "watch.h"

bool watch_sees(const struct watch *watch, const char *environment, const char *service)
{
    return view_has_key(&watch->view, environment, service) &&
           (!watch->wishes.resolve || view_has(&watch->view, DEFAULT_ENVIRONMENT, service));
}

bool watch_sees_change(struct watch *watch, const struct commit *commit, size_t index)
{
    const struct change *change = &commit->changes[index];
    struct seen_change *seen = &watch->seen;
    if (watch->view.extent == VIEW_ALL) {
        return true;
    }
    if (seen->revision != commit->revision || seen->index != index) {
        *seen =
            (struct seen_change){commit->revision, index,
                                 view_has_key(&watch->view, change->environment, change->service)};
    }
    return seen->sees;
}

static enum view_extent extent_in(const struct watch *watch, const struct head_filter *filter,
                                  const char *environment)
{
    return view_of(caller_grants(watch->caller), PERMISSION_READ, environment, filter->service,
                   filter->service_prefix)
        .extent;
}

/* A resolved config is made of two configs, and needs the right to both. */
static enum view_extent extent_of(const struct watch *watch, const struct head_filter *filter)
{
    enum view_extent own = extent_in(watch, filter, filter->environment);
    return watch->wishes.resolve ? view_both(own, extent_in(watch, filter, DEFAULT_ENVIRONMENT))
                                 : own;
}

/* Schemas are selected beside their configs, and go with them. */
static enum view_extent whole_extent(const struct watch *watch)
{
    enum view_extent extent = extent_of(watch, &watch->selection.filters[0]);
    for (size_t i = 1; i < watch->selection.n && watch->selection.filters[i].kind == KEY_CONFIG;
         i++) {
        enum view_extent one = extent_of(watch, &watch->selection.filters[i]);
        extent = one == extent ? extent : VIEW_PART;
    }
    return extent;
}

void watch_set_caller(struct watch *watch, struct caller *caller)
{
    enum view_extent before = watch->view.extent;
    caller_unref(watch->caller);
    watch->caller = caller;
    watch->seen.revision = 0;
    watch->view = (struct view){.grants = caller_grants(caller), .permission = PERMISSION_READ};
    watch->view.extent = whole_extent(watch);
    watch->rights = access_is_open(watch->hub->access) ? 0 : view_digest(&watch->view);
    /* The client learns at once that its copy is no longer what it was. */
    watch->mark_asked = watch->mark_asked || (watch->listed && watch->view.extent != before);
}

static bool refuse(struct status *st)
{
    status_set(st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED",
               "the caller may read nothing of what the watch selects");
    return false;
}

/* Another part of the selection: `filtered` stays as it was and cannot tell it. The code is one
 * that makes every client take a new snapshot. */
static bool end_for_another_part(struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "RIGHTS_CHANGED",
                      "the rights to a part of what the watch selects have changed: take a new "
                      "snapshot");
}

bool watch_follow_rights(struct watch *watch, struct status *st)
{
    const struct access *access = watch->hub->access;
    uint64_t generation = access_generation(access);
    struct caller *renewed = NULL;
    if (generation != watch->generation) {
        if (!access_renew(watch->hub->access, watch->caller, &renewed, st)) {
            return false;
        }
        bool was_part = watch->view.extent == VIEW_PART;
        uint64_t before = watch->rights;
        watch_set_caller(watch, renewed);
        watch->generation = generation;
        bool fits = view_digests_fit(before, watch->rights);
        watch->is_mixed = watch->is_mixed || !fits;
        if (!fits && was_part && watch->view.extent == VIEW_PART) {
            return end_for_another_part(st);
        }
    }
    return watch->view.extent != VIEW_NOTHING || refuse(st);
}

bool watch_has_same_rights(const struct watch *watch, struct status *st)
{
    return view_digests_fit(watch->resumed, watch->rights) || end_for_another_part(st);
}

/* ---- The look of the hub ---- */

static void look(struct rpc_timer *timer)
{
    struct hub *hub = CONTAINER_OF(timer, struct hub, rights_timer);
    uint64_t generation = access_generation(hub->access);
    if (generation != hub->generation) {
        hub->generation = generation;
        for (struct watch *watch = hub->streams; watch != NULL; watch = watch->next) {
            rpc_stream_kick(watch->stream);
        }
    }
    if (hub->streams != NULL) {
        hub_follow_rights(hub);
    }
}

void hub_follow_rights(struct hub *hub)
{
    hub->rights_timer.fn = look;
    rpc_server_set_timer(hub->server, &hub->rights_timer, clock_monotonic_ns() + RIGHTS_LOOK_NS);
}

/* ---- Ids ---- */

void watch_key_init(struct watch_key *key, const struct caller *caller, const char *id)
{
    const char *name = caller_name(caller);
    struct hash hash = hash_bytes(name, strlen(name));
    hex_encode(hash.bytes, HASH_SIZE, key->principal);
    key->id = id;
}
