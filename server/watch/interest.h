/* Who wants to know of which config: the selectors of all streams, so that a change finds those
 * that it concerns without a look at the others.
 *
 * Selectors that select the same stand in one group; a table finds the groups by what they select.
 * A change looks up the groups of its environment, its service, both, everything, and each
 * beginning of the service's name that is as long as some group's prefix. So a change costs a few
 * look-ups, and then a step for each selector that matches. One thread. */
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
    void *owner; /* the owner's to set */
};

/* Zeroed: empty. */
struct interests {
    struct table groups;             /* owned */
    size_t prefixes[PREFIX_LENGTHS]; /* how many groups have a prefix of this length */
};

/* All interests must have been removed. */
void interests_fini(struct interests *interests);
/* The filter is copied. One with a service and a prefix stands with its service: its owner is told
 * of some configs that it does not select. */
void interests_add(struct interests *interests, struct interest *interest,
                   const struct head_filter *filter);
void interests_remove(struct interests *interests, struct interest *interest);
/* How many select the same as this one, itself among them. */
size_t interests_beside(const struct interest *interest);

/* Calls visit for each interest in the config. It must not add or remove any. */
void interests_visit(const struct interests *interests, const char *environment,
                     const char *service, void (*visit)(struct interest *interest, void *user),
                     void *user);

#endif
