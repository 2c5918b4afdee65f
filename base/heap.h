/* A binary heap of nodes that are embedded in their owners' objects: the smallest key comes first.
 * For timers, and for whatever else waits for a number to be reached. Not thread-safe. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: in no heap. */
struct heap_node {
    uint64_t key;
    size_t place; /* the heap's own: 1 + the index in it; 0: not in it */
};

/* Zeroed: empty. */
struct heap {
    struct heap_node **nodes; /* borrowed; the array is the heap's */
    size_t n;
    size_t room;
};

void heap_fini(struct heap *heap);
/* Puts a node in, or gives one that is in it another key. */
void heap_put(struct heap *heap, struct heap_node *node, uint64_t key);
/* A node that is not in it is ignored. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the smallest key, which stays; NULL where there is none. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->n == 0 ? NULL : heap->nodes[0];
}
static inline bool heap_holds(const struct heap_node *node)
{
    return node->place != 0;
}

#endif
