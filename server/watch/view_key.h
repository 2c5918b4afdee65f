/* Views (access/view.h) of keys: the rights to a schema are those to the configs that it is for. */
#ifndef WATCH_VIEW_KEY_H
#define WATCH_VIEW_KEY_H

#include "key.h"
#include "view.h"

/* Whether a view has a key, which must be of the selection. A schema for all environments is had by
 * whoever has its service in one of them. */
static inline bool view_has_key(const struct view *view, const char *environment,
                                const char *service)
{
    const char *plain = key_environment(environment);
    bool is_for_all = key_kind(environment) == KEY_SCHEMA && plain[0] == '\0';
    return is_for_all ? view_has_service(view, service) : view_has(view, plain, service);
}

/* The environment of a filter for view_of: NULL selects every one. */
static inline const char *view_environment(const char *environment)
{
    const char *plain = environment == NULL ? "" : key_environment(environment);
    return plain[0] == '\0' ? NULL : plain;
}

#endif
