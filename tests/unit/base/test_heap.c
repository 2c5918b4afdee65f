#include <criterion/criterion.h>

#include "heap.h"
#include "leak_check.h"
#include "random.h"

#define NODES 500

static void check_order(struct heap *heap, size_t n)
{
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        struct heap_node *first = heap_first(heap);
        cr_assert_geq(first->key, last);
        last = first->key;
        heap_remove(heap, first);
        cr_assert_not(heap_holds(first));
    }
    cr_assert_null(heap_first(heap));
}

Test(heap, gives_the_smallest_key_first)
{
    struct heap heap = {0};
    struct heap_node nodes[3] = {0};
    heap_put(&heap, &nodes[0], 20);
    heap_put(&heap, &nodes[1], 10);
    heap_put(&heap, &nodes[2], 30);
    cr_assert_eq(heap_first(&heap), &nodes[1]);
    heap_put(&heap, &nodes[1], 40);
    cr_assert_eq(heap_first(&heap), &nodes[0], "a node moves with its key");
    heap_put(&heap, &nodes[2], 5);
    cr_assert_eq(heap_first(&heap), &nodes[2]);
    check_order(&heap, 3);
    heap_remove(&heap, &nodes[0]);
    cr_assert_eq(heap.n, 0, "one that is not in it is ignored");
    heap_fini(&heap);
    leak_check();
}

Test(heap, stays_in_order_whatever_is_put_moved_and_removed)
{
    struct random random = {.state = 7};
    struct heap heap = {0};
    struct heap_node nodes[NODES] = {0};
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[random_below(&random, NODES)];
        if (random_below(&random, 3) == 0) {
            heap_remove(&heap, node);
        } else {
            heap_put(&heap, node, random_below(&random, 1000));
        }
        for (size_t i = 0; i < heap.n; i++) {
            cr_assert_eq(heap.nodes[i]->place, i + 1);
            cr_assert(i == 0 || heap.nodes[(i - 1) / 2]->key <= heap.nodes[i]->key);
        }
    }
    size_t held = 0;
    for (size_t i = 0; i < NODES; i++) {
        held += heap_holds(&nodes[i]);
    }
    cr_assert_eq(held, heap.n);
    check_order(&heap, held);
    heap_fini(&heap);
    leak_check();
}
