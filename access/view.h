/* A view: what somebody may do with the configs that a request selects.
 *
 * It is made once for a request, so that a request which selects only what its caller may read
 * costs nothing per config. Everything that leaves the server passes view_has. Pure; any thread. */
#ifndef ACCESS_VIEW_H
#define ACCESS_VIEW_H

#include "grants.h"
#include "utf8.h"

/* How many of the selected configs, present and future ones. In this order. */
enum view_extent { VIEW_NOTHING, VIEW_PART, VIEW_ALL };

struct view {
    struct grants grants; /* borrowed */
    enum permission permission;
    enum view_extent extent;
};

/* The view of a selection: the configs with this environment, this service, or a service that
 * begins with service_prefix. NULL selects every one. VIEW_PART may stand for VIEW_ALL where only
 * several grants together give everything. */
struct view view_of(struct grants grants, enum permission permission, const char *environment,
                    const char *service, const char *service_prefix);

/* The names that all configs of a view share: where to look for them. */
struct view_bounds {
    const char *environment, *service;       /* NULL: not one; borrowed from the grants */
    char service_prefix[NAME_MAX_BYTES + 1]; /* of their services; "": none */
};
void view_bounds(const struct view *view, struct view_bounds *ret);

/* The extent where both of two views are needed, and where either will do. */
static inline enum view_extent view_both(enum view_extent a, enum view_extent b)
{
    return a < b ? a : b;
}
static inline enum view_extent view_either(enum view_extent a, enum view_extent b)
{
    return a > b ? a : b;
}

/* Whether the view has a config. It must be a selected one. */
static inline bool view_has(const struct view *view, const char *environment, const char *service)
{
    return view->extent == VIEW_ALL ||
           (view->extent == VIEW_PART &&
            grants_may(view->grants, view->permission, environment, service));
}
/* A number for what a view is made of: whether it is all of what was selected, and a hash of the
 * grants with the permission. It is the same on every node: a client can hand it back later. Never
 * 0. */
uint64_t view_digest(const struct view *view);
/* Of a copy that is none of any view: rights have changed while it was made. It fits no digest. */
#define VIEW_DIGEST_VOID UINT64_C(2)
/* Whether a copy of what one view showed is one of what the other shows: both are all of their
 * selections, or made of the same grants. 0: not known, which fits. */
bool view_digests_fit(uint64_t a, uint64_t b);

/* Whether the view has the service in some environment. */
bool view_has_service(const struct view *view, const char *service);

#endif
