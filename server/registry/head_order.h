/* An ordered index of the heads by key (environment, then service, compared as bytes), for lists: a
 * skip list (Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees", 1990). Heads are
 * replaced, never removed. Not thread-safe: the registry's lock protects it. */
#ifndef REGISTRY_HEAD_ORDER_H
#define REGISTRY_HEAD_ORDER_H

#include "head.h"

#define HEAD_ORDER_LEVELS 20

struct head_order_node {
    struct head *head; /* borrowed from the table of the registry, which owns it */
    struct head_order_node *next[];
};

struct head_order {
    struct head_order_node *first[HEAD_ORDER_LEVELS];
    uint64_t random; /* state of the generator that draws a node's levels */
};

void head_order_fini(struct head_order *order);
/* Inserts a head, or replaces the head of the same name. Borrows the head. */
void head_order_put(struct head_order *order, struct head *head);
/* The first node whose key is equal to or above the given key (with behind: strictly above). NULL:
 * none. */
const struct head_order_node *head_order_seek(const struct head_order *order, const char *key,
                                              size_t n, bool behind);
/* The average memory of the nodes of n heads, in bytes; a node has 4/3 levels on average. */
static inline size_t head_order_bytes(size_t n)
{
    return n * (sizeof(struct head_order_node) + sizeof(struct head_order_node *) * 4 / 3);
}
static inline const struct head_order_node *head_order_next(const struct head_order_node *node)
{
    return node->next[0];
}

#endif
