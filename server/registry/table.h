/* A hash table of heads by name: open addressing, linear probing, never more than half full. Heads
 * are replaced, never removed. Not thread-safe. */
#ifndef REGISTRY_TABLE_H
#define REGISTRY_TABLE_H

#include "head.h"

struct table {
    struct table_slot {
        uint64_t hash;
        struct head *head; /* owned reference; NULL: free */
    } * slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n_heads;
};

void table_fini(struct table *table);
/* Gives all references back and keeps the room. */
void table_clear(struct table *table);
/* Of the table alone. */
static inline size_t table_bytes(const struct table *table)
{
    return table->n_slots * sizeof table->slots[0];
}
/* Borrowed, valid until the head is replaced. */
struct head *table_find(const struct table *table, const char *environment, const char *service);
/* Puts a head in (the reference moves) and returns the one it replaces, now the caller's; NULL:
 * none. */
struct head *table_put(struct table *table, struct head *head);

#endif
