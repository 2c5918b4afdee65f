/* The heads in the order of their keys (environment, then service, as bytes): a skip list (Pugh,
 * "Skip Lists: A Probabilistic Alternative to Balanced Trees", 1990). Heads are replaced, never
 * removed. Not thread-safe. */
#ifndef REGISTRY_ORDER_H
#define REGISTRY_ORDER_H

#include "head.h"

#define ORDER_LEVELS 20

struct order_node {
    struct head *head; /* borrowed: the table that stands beside the order owns it */
    struct order_node *next[];
};

struct order {
    struct order_node *first[ORDER_LEVELS];
    uint64_t random;
};

void order_fini(struct order *order);
/* Puts a head in, in the place of the one of its name where there is one. */
void order_put(struct order *order, struct head *head);
/* The first node whose key is not below (or, with behind, is above) the given bytes; NULL: none. */
const struct order_node *order_seek(const struct order *order, const char *key, size_t n,
                                    bool behind);
/* What the nodes of n heads take on average, a third of them with a level more. */
static inline size_t order_bytes(size_t n)
{
    return n * (sizeof(struct order_node) + sizeof(struct order_node *) * 4 / 3);
}
static inline const struct order_node *order_next(const struct order_node *node)
{
    return node->next[0];
}

#endif
