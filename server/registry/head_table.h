/* Heads by name: a table (base/table.h) that owns a reference to each of its heads. Heads are
 * replaced, never removed. Not thread-safe: the registry's lock protects its tables. */
#ifndef REGISTRY_HEAD_TABLE_H
#define REGISTRY_HEAD_TABLE_H

#include "head.h"
#include "table.h"

/* Zeroed: empty. */
struct head_table {
    struct table by_name;
};

/* Gives all references back. */
void head_table_fini(struct head_table *table);
/* The same, and keeps the memory of the table. */
void head_table_clear(struct head_table *table);
/* Borrowed, valid until the head is replaced. NULL: there is none of this name. */
struct head *head_table_find(const struct head_table *table, const char *environment,
                             const char *service);
/* Inserts a head (the reference moves) and returns the one that it replaces, now the caller's;
 * NULL: none. */
struct head *head_table_put(struct head_table *table, struct head *head);
/* All heads in no order, borrowed; *place starts at 0; NULL at the end. Heads may be replaced
 * meanwhile, but not added. */
static inline struct head *head_table_next(const struct head_table *table, size_t *place)
{
    return table_next(&table->by_name, place);
}
static inline size_t head_table_count(const struct head_table *table)
{
    return table->by_name.n;
}
/* The memory of the table without its heads, in bytes. */
static inline size_t head_table_bytes(const struct head_table *table)
{
    return table_bytes(&table->by_name);
}

#endif
