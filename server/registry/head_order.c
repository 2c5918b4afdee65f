#include "head_order.h"

#include <string.h>

static int compare(const struct head *head, const char *key, size_t n)
{
    size_t n_head = head_key_size(head);
    int difference = memcmp(head->key, key, n_head < n ? n_head : n);
    return difference != 0 ? difference : (n_head > n) - (n_head < n);
}

void head_order_fini(struct head_order *order)
{
    for (struct head_order_node *node = order->first[0]; node != NULL;) {
        struct head_order_node *next = node->next[0];
        free(node);
        node = next;
    }
    *order = (struct head_order){0};
}

/* One more level with probability 1/4 (xorshift64 is random enough for balance). */
static size_t draw_levels(struct head_order *order)
{
    uint64_t x = order->random != 0 ? order->random : 0x9e3779b97f4a7c15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    order->random = x;
    size_t levels = 1;
    for (; levels < HEAD_ORDER_LEVELS && (x & 3) == 0; x >>= 2) {
        levels++;
    }
    return levels;
}

/* Sets links[level] to the link that points to the first node whose key is not below the key. */
static void find_links(struct head_order *order, const char *key, size_t n,
                       struct head_order_node **links[HEAD_ORDER_LEVELS])
{
    struct head_order_node **row = order->first;
    for (size_t level = HEAD_ORDER_LEVELS; level-- > 0;) {
        while (row[level] != NULL && compare(row[level]->head, key, n) < 0) {
            row = row[level]->next;
        }
        links[level] = &row[level];
    }
}

void head_order_put(struct head_order *order, struct head *head)
{
    struct head_order_node **links[HEAD_ORDER_LEVELS];
    size_t n = head_key_size(head);
    find_links(order, head->key, n, links);
    struct head_order_node *found = *links[0];
    if (found != NULL && compare(found->head, head->key, n) == 0) {
        found->head = head;
        return;
    }
    size_t levels = draw_levels(order);
    struct head_order_node *node =
        mem_alloc(sizeof *node + levels * sizeof(struct head_order_node *));
    node->head = head;
    for (size_t i = 0; i < levels; i++) {
        node->next[i] = *links[i];
        *links[i] = node;
    }
}

const struct head_order_node *head_order_seek(const struct head_order *order, const char *key,
                                              size_t n, bool behind)
{
    struct head_order_node *const *row = order->first;
    for (size_t level = HEAD_ORDER_LEVELS; level-- > 0;) {
        while (row[level] != NULL && compare(row[level]->head, key, n) < (behind ? 1 : 0)) {
            row = row[level]->next;
        }
    }
    return row[0];
}
