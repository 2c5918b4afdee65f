#include "mirror_table.h"

#include <string.h>

#include "mirror_config.h"

#define FEWEST 64

void mirror_table_fini(struct mirror_table *table)
{
    for (size_t i = 0; i < table->n_slots; i++) {
        mirror_config_unref(table->slots[i]);
    }
    free(table->slots);
    *table = (struct mirror_table){0};
}

/* The slot of the name, or the free slot for it. The table always has a free slot. */
static struct mirror_config **slot_of(const struct mirror_table *table, uint64_t hash,
                                      const char *environment, const char *service_name)
{
    size_t mask = table->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        const struct mirror_config *found = table->slots[i];
        if (found == NULL ||
            (found->hash == hash && strcmp(found->service_name, service_name) == 0 &&
             strcmp(found->environment, environment) == 0)) {
            return &table->slots[i];
        }
    }
}

struct mirror_config *mirror_table_find(const struct mirror_table *table, const char *environment,
                                        const char *service_name)
{
    if (table->n_slots == 0) {
        return NULL;
    }
    return *slot_of(table, mirror_name_hash(environment, service_name), environment, service_name);
}

static void move_to(struct mirror_table *table, size_t n_slots)
{
    struct mirror_table larger = {
        .slots = mem_array(n_slots, sizeof larger.slots[0]),
        .n_slots = n_slots,
        .n = table->n,
        .n_live = table->n_live,
    };
    for (size_t i = 0; i < table->n_slots; i++) {
        struct mirror_config *config = table->slots[i];
        if (config != NULL) {
            *slot_of(&larger, config->hash, config->environment, config->service_name) = config;
        }
    }
    free(table->slots);
    *table = larger;
}

/* At most two thirds are taken. */
static void make_room(struct mirror_table *table)
{
    size_t n_slots = table->n_slots == 0 ? FEWEST : table->n_slots;
    if ((table->n + 1) * 3 > n_slots * 2) {
        n_slots *= 2;
    }
    if (n_slots != table->n_slots) {
        move_to(table, n_slots);
    }
}

struct mirror_config *mirror_table_put(struct mirror_table *table, struct mirror_config *config)
{
    make_room(table);
    struct mirror_config **slot =
        slot_of(table, config->hash, config->environment, config->service_name);
    struct mirror_config *before = *slot;
    *slot = config;
    table->n += before == NULL;
    table->n_live += mirror_config_is_live(config);
    table->n_live -= mirror_config_is_live(before);
    return before;
}
