/* The differences between two settings, as JSON Pointers (RFC 6901) of the members and items that
 * were added, removed or changed. Objects are compared member by member, arrays item by item,
 * numbers by value. A pointer names the highest place: what is inside of something added or
 * removed, or of something that became another type, is not listed. */
#ifndef SETTINGS_POINTERS_H
#define SETTINGS_POINTERS_H

#include "settings.h"

/* More differences than this are told as one: the whole ("") has changed. */
#define POINTERS_MOST 10000

struct pointer_list {
    char **texts; /* owned */
    size_t n, room;
};

/* In the order of the config; those removed in that of the old one. */
struct pointers {
    struct pointer_list added, removed, changed;
};

/* NULL stands for a config that is not there: an object without members. Any thread. */
void pointers_between(const struct settings *before, const struct settings *after,
                      struct pointers *ret_pointers);
void pointers_fini(struct pointers *pointers);

#endif
