/* A hash table of items by key, the only one in this tree. It stores pointers to items with their
 * hashes in one array: open addressing with linear probing. A removal closes the gap, so there are
 * no tombstones. The user defines what a key is (table_match).
 *
 * Invariants: at most two thirds of the slots are taken; n_slots is 0 or a power of two; there is
 * no free slot between the slot that an item's hash names and the item's slot.
 *
 * Memory: 16 bytes a slot, so 24 to 48 bytes an item. The table frees its array, never an item.
 * Not thread-safe. Running out of memory ends the process. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t hash;
    void *item; /* NULL: the slot is free */
};

/* Zeroed: empty. */
struct table {
    struct table_slot *slots;
    size_t n_slots;
    size_t n; /* items */
};

/* Whether an item has the key. Called for items with the key's hash only. */
typedef bool table_match(const void *item, const void *key);

/* Frees the array. If the user owns the items, release them first (table_next). */
void table_fini(struct table *table);
/* Removes all items; keeps the array. */
void table_clear(struct table *table);

/* The item with this key, or NULL. hash: of the key, by hash_table_key or another function that
 * spreads over all bits. */
void *table_find(const struct table *table, uint64_t hash, table_match *match, const void *key);
/* Inserts an item with this key, which is not NULL. Returns the item that it replaces, or NULL. */
void *table_put(struct table *table, uint64_t hash, table_match *match, const void *key,
                void *item);
/* Removes the item with this key and returns it, or NULL. */
void *table_remove(struct table *table, uint64_t hash, table_match *match, const void *key);

/* Steps through all items in no order: *place starts at 0; NULL at the end. Items may be replaced
 * meanwhile by items with the same key, but none may be added or removed. */
void *table_next(const struct table *table, size_t *place);

/* The memory of the array, in bytes. */
static inline size_t table_bytes(const struct table *table)
{
    return table->n_slots * sizeof table->slots[0];
}

#endif
