/* Events of streams that resolve: a config changes when its overlay or the default under it does.
 */
#include <assert.h>
#include <string.h>

#include "encode.h"
#include "history.h"
#include "overlay.h"
#include "watch.h"

/* A resolved config that a commit changes. */
struct resolved_target {
    const char *environment; /* asked for */
    const char *service;
    size_t last;  /* the last change of the commit that concerns it */
    bool erasing; /* one of them is an erase */
};

/* One of the two configs that it is merged from, before and after the commit. */
struct merged_side {
    struct buf *config; /* after it; owned; NULL: none */
    uint64_t version_before, version_after;
};

static bool touches(const struct change *change, const char *environment, const char *service)
{
    return change_touches_head(change) && strcmp(change->service, service) == 0 &&
           strcmp(change->environment, environment) == 0;
}

static bool concerns(const struct change *change, const struct resolved_target *target)
{
    return touches(change, target->environment, target->service) ||
           touches(change, DEFAULT_ENVIRONMENT, target->service);
}

static uint64_t version_of(const struct buf *config)
{
    if (config == NULL) {
        return 0;
    }
    Confreg__V1__Config *message = decode_config(config);
    uint64_t version = message->version;
    confreg__v1__config__free_unpacked(message, NULL);
    return version;
}

static bool find_side(const struct hub *hub, const struct commit *commit, const char *environment,
                      const char *service, struct merged_side *side, struct status *st)
{
    if (!history_find_config(hub->store, hub->registry, environment, service, commit->revision,
                             &side->config, st)) {
        return false;
    }
    side->version_after = version_of(side->config);
    side->version_before = side->version_after;
    for (size_t i = commit->n_changes; i-- > 0;) {
        if (touches(&commit->changes[i], environment, service)) {
            side->version_before = commit->changes[i].previous_version;
        }
    }
    return true;
}

static bool has_base(const char *environment)
{
    return strcmp(environment, DEFAULT_ENVIRONMENT) != 0;
}

bool watch_resolved_at(const struct hub *hub, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st)
{
    AUTO(buf_unref) struct buf *overlay = NULL;
    AUTO(buf_unref) struct buf *base = NULL;
    if (!history_find_config(hub->store, hub->registry, environment, service, revision, &overlay,
                             st) ||
        (has_base(environment) &&
         !history_find_config(hub->store, hub->registry, DEFAULT_ENVIRONMENT, service, revision,
                              &base, st))) {
        return false;
    }
    *ret_config = NULL;
    if (overlay != NULL || base != NULL) {
        *ret_config = encode_resolved(environment, overlay, base);
    }
    return true;
}

/* The resolved config before the commit; NULL: there was none. A payload that the commit erases is
 * left out, even if it has not been scrubbed yet. */
static bool find_previous(const struct hub *hub, const struct commit *commit,
                          const struct resolved_target *target, struct buf **ret_config,
                          struct status *st)
{
    assert(commit->revision > 0 && "the first commit has revision 1");
    if (!watch_resolved_at(hub, target->environment, target->service, commit->revision - 1,
                           ret_config, st)) {
        return false;
    }
    if (*ret_config != NULL && target->erasing) {
        AUTO(buf_unref) struct buf *whole = *ret_config;
        *ret_config =
            encode_without_payload(whole, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED);
    }
    return true;
}

/* The change as seen for the resolved config. */
static struct change tell_change(const struct commit *commit, const struct resolved_target *target,
                                 const struct merged_side *overlay, const struct merged_side *base)
{
    struct change change = commit->changes[target->last];
    change.environment = (char *)(uintptr_t)target->environment;
    change.head_version =
        overlay->version_after != 0 ? overlay->version_after : base->version_after;
    change.previous_version =
        overlay->version_before != 0 ? overlay->version_before : base->version_before;
    change.version = change.head_version;
    change.kind = change.previous_version == 0 ? CHANGE_CREATE
                  : change.head_version == 0   ? CHANGE_DELETE
                                               : CHANGE_UPDATE;
    return change;
}

static bool add_event(const struct watch *watch, struct encoded_commit *encoded,
                      const struct resolved_target *target, struct status *st)
{
    const struct hub *hub = watch->hub;
    const struct commit *commit = encoded->commit;
    struct merged_side sides[2] = {{0}};
    bool ok = find_side(hub, commit, target->environment, target->service, &sides[0], st) &&
              (!has_base(target->environment) ||
               find_side(hub, commit, DEFAULT_ENVIRONMENT, target->service, &sides[1], st));
    AUTO(buf_unref) struct buf *overlay = sides[0].config;
    AUTO(buf_unref) struct buf *base = sides[1].config;
    AUTO(buf_unref) struct buf *resolved = NULL;
    AUTO(buf_unref) struct buf *previous = NULL;
    if (!ok ||
        (watch->wishes.include_previous && !find_previous(hub, commit, target, &previous, st))) {
        return false;
    }
    if (overlay != NULL || base != NULL) {
        resolved = encode_resolved(target->environment, overlay, base);
    }
    struct change change = tell_change(commit, target, &sides[0], &sides[1]);
    struct event_content content = {.change = &change, .config = resolved, .previous = previous};
    if (change.head_version != 0 || change.previous_version != 0) {
        encoded_commit_add(encoded, target->last, target->environment,
                           encode_event(FIELD_EVENTS, commit, target->last, &content), NULL);
    }
    return true;
}

/* Whether the change is the last one of the commit that concerns the resolved config of the
 * selector. */
static bool find_target(const struct watch *watch, size_t selector, const struct commit *commit,
                        size_t index, struct resolved_target *ret_target)
{
    const struct head_filter *filter = &watch->selection.filters[selector];
    const char *service = commit->changes[index].service;
    struct resolved_target target = {
        .environment = filter->environment, .service = service, .last = index};
    if (!head_filter_matches(filter, filter->environment, service) ||
        !concerns(&commit->changes[index], &target) ||
        selection_has_before(&watch->selection, selector, filter->environment, service)) {
        return false;
    }
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (concerns(&commit->changes[i], &target)) {
            target.last = i;
            target.erasing = target.erasing || commit->changes[i].kind == CHANGE_ERASE;
        }
    }
    *ret_target = target;
    return target.last == index;
}

static size_t count_targets(const struct watch *watch, const struct commit *commit)
{
    size_t n = 0;
    struct resolved_target target;
    for (size_t i = 0; i < commit->n_changes; i++) {
        for (size_t k = 0; k < watch->selection.n; k++) {
            n += find_target(watch, k, commit, i, &target);
        }
    }
    return n;
}

bool watch_resolve(const struct watch *watch, struct commit *commit,
                   struct encoded_commit **ret_encoded, struct status *st)
{
    struct encoded_commit *encoded = encoded_commit_new(commit, count_targets(watch, commit));
    struct resolved_target target;
    encoded->chosen = true;
    for (size_t i = 0; i < commit->n_changes; i++) {
        for (size_t k = 0; k < watch->selection.n; k++) {
            if (find_target(watch, k, commit, i, &target) &&
                !add_event(watch, encoded, &target, st)) {
                encoded_commit_free(encoded);
                return false;
            }
        }
    }
    *ret_encoded = encoded;
    return true;
}
