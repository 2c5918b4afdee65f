/* A hash table of configs and tombstones by name, in which names are only added and replaced.
 * Private to mirror*.c and copy.c; the copy's lock protects it. */
#ifndef CLIENT_MIRROR_TABLE_H
#define CLIENT_MIRROR_TABLE_H

#include "mirror.h"

struct mirror_table {
    struct mirror_config **slots; /* references; open addressing */
    size_t n_slots;               /* 0, or a power of two */
    size_t n;
    size_t n_live;
};

void mirror_table_fini(struct mirror_table *table);
/* Borrowed; NULL where there is none. */
struct mirror_config *mirror_table_find(const struct mirror_table *table, const char *environment,
                                        const char *service_name);
/* Moves a reference into the table; returns the one that it replaces, or NULL. */
struct mirror_config *mirror_table_put(struct mirror_table *table, struct mirror_config *config);

#endif
