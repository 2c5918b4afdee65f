/* An index of the selectors of all streams: finds the streams that select a config without visiting
 * the others.
 *
 * Equal selectors are in one group; a hash table finds the groups by their selector. A change looks
 * up the groups of its environment, its service, both, everything, and each prefix of the service
 * name with the length of some group's prefix. So a change costs a few look-ups and one step per
 * matching selector. Not thread-safe. */
#ifndef WATCH_INTEREST_H
#define WATCH_INTEREST_H

#include <sys/queue.h>

#include "registry.h"
#include "table.h"

#define PREFIX_LENGTHS 256

struct interest_group;

/* One selector of a stream, embedded in its owner's object. */
struct interest {
    struct interest_group *group;
    LIST_ENTRY(interest) in_group;
    void *owner; /* set by the owner */
};

/* Zeroed: empty. */
struct interests {
    struct table groups;             /* owned */
    size_t prefixes[PREFIX_LENGTHS]; /* how many groups have a prefix of this length */
};

/* All interests must have been removed. */
void interests_fini(struct interests *interests);
/* Adds a selector; the filter is copied. A selector with a service and a prefix is indexed by its
 * service only: its owner is also visited for configs that it does not select. */
void interests_add(struct interests *interests, struct interest *interest,
                   const struct head_filter *filter);
void interests_remove(struct interests *interests, struct interest *interest);
/* The number of interests with the same selector, this one included. */
size_t interests_beside(const struct interest *interest);

/* Calls visit for each interest in the config. visit must not add or remove interests. */
void interests_visit(const struct interests *interests, const char *environment,
                     const char *service, void (*visit)(struct interest *interest, void *user),
                     void *user);

#endif
