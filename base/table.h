/* A hash table of items by key: the only one of the tree. It holds pointers, each with its hash, in
 * one array with open addressing and linear probing; a removal moves the items behind it up, so
 * there are no tombstones. What a key is, and when an item has it, is the user's.
 *
 * Invariants: there is a free slot, as at most two thirds are taken; n_slots is 0 or a power of
 * two; an item stands between the slot that its hash names and the first free slot behind it.
 *
 * Memory: 16 bytes a slot, so 24 to 48 an item. The table frees its own array only: items are
 * borrowed, or owned as the user says. Not thread-safe. Running out of memory ends the process. */
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

/* Frees the array. The items are the user's to give back before (table_next). */
void table_fini(struct table *table);
/* Removes all items and keeps the room. */
void table_clear(struct table *table);

/* The item with this key, or NULL. hash: hash_table_key or another that spreads over all bits. */
void *table_find(const struct table *table, uint64_t hash, table_match *match, const void *key);
/* Puts an item that has the key in the place of the one that had it: returns that one, or NULL. The
 * table grows where it has to. item is not NULL. */
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
