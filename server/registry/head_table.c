#include "head_table.h"

#include <string.h>

#define KEY_MAX 512 /* two names and a NUL */

static uint64_t hash_of_key(const char *key, size_t n)
{
    return hash_table_key(key, n);
}

void head_table_clear(struct head_table *table)
{
    for (size_t i = 0; i < table->n_slots && table->n_heads > 0; i++) {
        head_unref(table->slots[i].head);
        table->slots[i] = (struct head_table_slot){0};
    }
    table->n_heads = 0;
}

void head_table_fini(struct head_table *table)
{
    head_table_clear(table);
    free(table->slots);
    *table = (struct head_table){0};
}

/* The slot that holds the key, or the free one where it would go. */
static struct head_table_slot *find_slot(const struct head_table *table, uint64_t hash,
                                         const char *key, size_t n)
{
    size_t mask = table->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct head_table_slot *slot = &table->slots[i];
        if (slot->head == NULL || (slot->hash == hash && head_key_size(slot->head) == n &&
                                   memcmp(slot->head->key, key, n) == 0)) {
            return slot;
        }
    }
}

struct head *head_table_find(const struct head_table *table, const char *environment,
                             const char *service)
{
    size_t n_environment = strlen(environment);
    size_t n_service = strlen(service);
    size_t n = n_environment + 1 + n_service;
    char key[KEY_MAX];
    if (table->n_slots == 0 || n > sizeof key) {
        return NULL;
    }
    memcpy(key, environment, n_environment + 1);
    memcpy(key + n_environment + 1, service, n_service);
    return find_slot(table, hash_of_key(key, n), key, n)->head;
}

static void grow(struct head_table *table)
{
    struct head_table bigger = {.n_slots = table->n_slots == 0 ? 64 : table->n_slots * 2,
                                .n_heads = table->n_heads};
    bigger.slots = mem_array(bigger.n_slots, sizeof bigger.slots[0]);
    for (size_t i = 0; i < table->n_slots; i++) {
        const struct head_table_slot *old = &table->slots[i];
        if (old->head != NULL) {
            *find_slot(&bigger, old->hash, old->head->key, head_key_size(old->head)) = *old;
        }
    }
    free(table->slots);
    *table = bigger;
}

struct head *head_table_put(struct head_table *table, struct head *head)
{
    if (2 * (table->n_heads + 1) > table->n_slots) {
        grow(table);
    }
    size_t n = head_key_size(head);
    uint64_t hash = hash_of_key(head->key, n);
    struct head_table_slot *slot = find_slot(table, hash, head->key, n);
    struct head *replaced = slot->head;
    table->n_heads += replaced == NULL;
    *slot = (struct head_table_slot){.hash = hash, .head = head};
    return replaced;
}
