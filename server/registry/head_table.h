/* A hash table of heads by name: open addressing, linear probing, never more than half full. Heads
 * are replaced, never removed. Not thread-safe. */
#ifndef REGISTRY_HEAD_TABLE_H
#define REGISTRY_HEAD_TABLE_H

#include "head.h"

struct head_table {
    struct head_table_slot {
        uint64_t hash;
        struct head *head; /* owned reference; NULL: free */
    } * slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n_heads;
};

void head_table_fini(struct head_table *table);
/* Gives all references back and keeps the room. */
void head_table_clear(struct head_table *table);
/* Of the table alone. */
static inline size_t head_table_bytes(const struct head_table *table)
{
    return table->n_slots * sizeof table->slots[0];
}
/* Borrowed, valid until the head is replaced. */
struct head *head_table_find(const struct head_table *table, const char *environment,
                             const char *service);
/* Puts a head in (the reference moves) and returns the one it replaces, now the caller's; NULL:
 * none. */
struct head *head_table_put(struct head_table *table, struct head *head);

#endif
