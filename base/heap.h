/* A binary heap of nodes that are embedded in their owners' objects; the smallest key is first.
 * Used for timers and for other waits for a number to be reached. Not thread-safe. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: in no heap. */
struct heap_node {
    uint64_t key;
    size_t place; /* private to the heap: 1 + the index in it; 0: not in a heap */
};

/* Zeroed: empty. */
struct heap {
    struct heap_node **nodes; /* borrowed; the array is owned by the heap */
    size_t n;
    size_t room;
};

void heap_fini(struct heap *heap);
/* Adds a node, or changes the key of a node that is in the heap. */
void heap_put(struct heap *heap, struct heap_node *node, uint64_t key);
/* Removes a node; one that is not in the heap is ignored. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the smallest key, without removing it; NULL: the heap is empty. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->n == 0 ? NULL : heap->nodes[0];
}
static inline bool heap_holds(const struct heap_node *node)
{
    return node->place != 0;
}

#endif
