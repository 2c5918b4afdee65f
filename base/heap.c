#include "heap.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

void heap_fini(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}

static void set(struct heap *heap, size_t at, struct heap_node *node)
{
    heap->nodes[at] = node;
    node->place = at + 1;
}

/* Both move a node to the place that its key requires. */
static void rise(struct heap *heap, struct heap_node *node)
{
    size_t at = node->place - 1;
    while (at > 0 && heap->nodes[(at - 1) / 2]->key > node->key) {
        set(heap, at, heap->nodes[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    set(heap, at, node);
}

static void sink(struct heap *heap, struct heap_node *node)
{
    size_t at = node->place - 1;
    for (size_t child; (child = 2 * at + 1) < heap->n; at = child) {
        if (child + 1 < heap->n && heap->nodes[child + 1]->key < heap->nodes[child]->key) {
            child++;
        }
        if (heap->nodes[child]->key >= node->key) {
            break;
        }
        set(heap, at, heap->nodes[child]);
    }
    set(heap, at, node);
}

static void append(struct heap *heap, struct heap_node *node)
{
    if (heap->n == heap->room) {
        heap->room = heap->room == 0 ? 16 : heap->room * 2;
        heap->nodes = mem_grow(heap->nodes, heap->room, sizeof(struct heap_node *));
    }
    heap->n++;
    set(heap, heap->n - 1, node);
}

void heap_put(struct heap *heap, struct heap_node *node, uint64_t key)
{
    assert(node->place <= heap->n && "a node is in one heap at most");
    node->key = key;
    if (!heap_holds(node)) {
        append(heap, node);
    }
    rise(heap, node);
    sink(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!heap_holds(node)) {
        return;
    }
    assert(heap->nodes[node->place - 1] == node && "a node is in one heap at most");
    struct heap_node *last = heap->nodes[--heap->n];
    if (last != node) {
        set(heap, node->place - 1, last);
        rise(heap, last);
        sink(heap, last);
    }
    node->place = 0;
}
