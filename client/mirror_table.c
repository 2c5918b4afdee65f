#include "mirror_table.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "mirror_config.h"

struct mirror_name {
    const char *environment, *service_name;
};

static uint64_t hash_of(const struct mirror_name *name)
{
    uint64_t a = hash_table_key(name->environment, strlen(name->environment));
    uint64_t b = hash_table_key(name->service_name, strlen(name->service_name));
    return (a ^ (a >> 29)) * UINT64_C(0x9e3779b97f4a7c15) + b;
}

static bool is_named(const void *item, const void *key)
{
    const struct mirror_config *config = item;
    const struct mirror_name *name = key;
    return strcmp(config->service_name, name->service_name) == 0 &&
           strcmp(config->environment, name->environment) == 0;
}

void mirror_table_fini(struct mirror_table *table)
{
    size_t place = 0;
    for (struct mirror_config *config; (config = mirror_table_next(table, &place)) != NULL;) {
        mirror_config_unref(config);
    }
    table_fini(&table->by_name);
    table->n_live = 0;
}

struct mirror_config *mirror_table_find(const struct mirror_table *table, const char *environment,
                                        const char *service_name)
{
    const struct mirror_name name = {environment, service_name};
    return table_find(&table->by_name, hash_of(&name), is_named, &name);
}

struct mirror_config *mirror_table_put(struct mirror_table *table, struct mirror_config *config)
{
    assert(table->n_live <= table->by_name.n && "live configs are configs");
    const struct mirror_name name = {config->environment, config->service_name};
    struct mirror_config *before =
        table_put(&table->by_name, hash_of(&name), is_named, &name, config);
    table->n_live += mirror_config_is_live(config);
    table->n_live -= mirror_config_is_live(before);
    return before;
}
