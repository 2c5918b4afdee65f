/* Configs and tombstones by name: a hash table in which names are only added and replaced. For the
 * mirror's files only; not locked. */
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
