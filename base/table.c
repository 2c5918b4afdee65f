#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FEWEST_SLOTS 16

void table_fini(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}

void table_clear(struct table *table)
{
    if (table->n > 0) {
        memset(table->slots, 0, table_bytes(table));
        table->n = 0;
    }
}

/* The slot of the item with the key, or the free slot where it would go. */
static struct table_slot *find_slot(const struct table *table, uint64_t hash, table_match *match,
                                    const void *key)
{
    assert(table->n < table->n_slots && "a search ends at a free slot");
    size_t mask = table->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct table_slot *slot = &table->slots[i];
        if (slot->item == NULL || (slot->hash == hash && match(slot->item, key))) {
            return slot;
        }
    }
}

void *table_find(const struct table *table, uint64_t hash, table_match *match, const void *key)
{
    return table->n == 0 ? NULL : find_slot(table, hash, match, key)->item;
}

static void move_to(struct table *larger, const struct table_slot *slot)
{
    size_t mask = larger->n_slots - 1;
    size_t i = slot->hash & mask;
    while (larger->slots[i].item != NULL) {
        i = (i + 1) & mask;
    }
    larger->slots[i] = *slot;
}

static void grow(struct table *table)
{
    struct table larger = {.n_slots = table->n_slots == 0 ? FEWEST_SLOTS : table->n_slots * 2,
                           .n = table->n};
    assert(larger.n_slots > table->n_slots && "the number of slots does not overflow");
    larger.slots = mem_array(larger.n_slots, sizeof larger.slots[0]);
    for (size_t i = 0; i < table->n_slots; i++) {
        if (table->slots[i].item != NULL) {
            move_to(&larger, &table->slots[i]);
        }
    }
    free(table->slots);
    *table = larger;
}

void *table_put(struct table *table, uint64_t hash, table_match *match, const void *key, void *item)
{
    assert(item != NULL && "NULL marks a free slot");
    void *replaced = table_find(table, hash, match, key);
    if (replaced == NULL && 3 * (table->n + 1) > 2 * table->n_slots) {
        grow(table);
    }
    *find_slot(table, hash, match, key) = (struct table_slot){.hash = hash, .item = item};
    table->n += replaced == NULL;
    return replaced;
}

/* Moves up what stands behind a slot that has become free, up to the next free slot. An item stays
 * where it is if its hash names a slot behind the free one: it would not be found before it. */
static void close_gap(struct table *table, size_t free_slot)
{
    size_t mask = table->n_slots - 1;
    for (size_t i = (free_slot + 1) & mask; table->slots[i].item != NULL; i = (i + 1) & mask) {
        size_t distance = (i - table->slots[i].hash) & mask;
        if (distance >= ((i - free_slot) & mask)) {
            table->slots[free_slot] = table->slots[i];
            free_slot = i;
        }
    }
    table->slots[free_slot] = (struct table_slot){0};
}

void *table_remove(struct table *table, uint64_t hash, table_match *match, const void *key)
{
    if (table->n == 0) {
        return NULL;
    }
    struct table_slot *slot = find_slot(table, hash, match, key);
    void *item = slot->item;
    if (item != NULL) {
        close_gap(table, (size_t)(slot - table->slots));
        table->n--;
    }
    return item;
}

void *table_next(const struct table *table, size_t *place)
{
    while (*place < table->n_slots) {
        void *item = table->slots[(*place)++].item;
        if (item != NULL) {
            return item;
        }
    }
    return NULL;
}
