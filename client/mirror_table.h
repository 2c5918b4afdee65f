/* Configs and tombstones by name: a table (base/table.h) that owns a reference to each, with an
 * index of the live ones by service. Names are only added and replaced. Private to mirror*.c; the
 * copy's lock protects it. */
#ifndef CLIENT_MIRROR_TABLE_H
#define CLIENT_MIRROR_TABLE_H

#include "mirror.h"
#include "table.h"

/* Zeroed: empty. */
struct mirror_table {
    struct table by_name;
    struct table by_service; /* owned groups of live configs, none of them empty */
    size_t n_live;           /* configs that are no tombstones */
};

/* The live configs of one service, in no order. The table's references; borrowed until the table
 * changes. */
struct mirror_group {
    size_t n, room;
    struct mirror_config *configs[];
};

/* Gives all references back. */
void mirror_table_fini(struct mirror_table *table);
/* Borrowed; NULL where there is none. */
struct mirror_config *mirror_table_find(const struct mirror_table *table, const char *environment,
                                        const char *service_name);
/* Borrowed; NULL: the service has no live config. */
const struct mirror_group *mirror_table_service(const struct mirror_table *table,
                                                const char *service_name);
/* Moves a reference into the table; returns the one that it replaces, or NULL. Costs time in
 * proportion to the environments of the service if it replaces a live config. */
struct mirror_config *mirror_table_put(struct mirror_table *table, struct mirror_config *config);
/* All in no order, borrowed; *place starts at 0; NULL at the end. Configs may be replaced
 * meanwhile, but not added. */
static inline struct mirror_config *mirror_table_next(const struct mirror_table *table,
                                                      size_t *place)
{
    return table_next(&table->by_name, place);
}
static inline size_t mirror_table_count(const struct mirror_table *table)
{
    return table->by_name.n;
}

#endif
