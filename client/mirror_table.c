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

/* ---- The index by service ---- */

static uint64_t hash_of_service(const char *service_name)
{
    return hash_table_key(service_name, strlen(service_name));
}

/* The name of a group is that of any config in it. */
static bool is_of_service(const void *item, const void *key)
{
    const struct mirror_group *group = item;
    return strcmp(group->configs[0]->service_name, key) == 0;
}

static struct mirror_group *find_group(const struct mirror_table *table, const char *service_name)
{
    return table_find(&table->by_service, hash_of_service(service_name), is_of_service,
                      service_name);
}

const struct mirror_group *mirror_table_service(const struct mirror_table *table,
                                                const char *service_name)
{
    return find_group(table, service_name);
}

static struct mirror_group *copy_group(const struct mirror_group *group, size_t room)
{
    struct mirror_group *copy = mem_zalloc(sizeof *copy + room * sizeof copy->configs[0]);
    copy->room = room;
    if (group != NULL) {
        copy->n = group->n;
        memcpy(copy->configs, group->configs, group->n * sizeof group->configs[0]);
    }
    return copy;
}

static void join(struct mirror_table *table, struct mirror_config *config)
{
    struct mirror_group *group = find_group(table, config->service_name);
    if (group != NULL && group->n < group->room) {
        group->configs[group->n++] = config;
        return;
    }
    struct mirror_group *larger = copy_group(group, group == NULL ? 1 : group->room * 2);
    larger->configs[larger->n++] = config;
    table_put(&table->by_service, hash_of_service(config->service_name), is_of_service,
              config->service_name, larger);
    free(group);
}

static struct mirror_config **find_member(struct mirror_group *group,
                                          const struct mirror_config *config)
{
    size_t i = 0;
    while (group->configs[i] != config) {
        i++;
        assert(i < group->n && "each live config is in the group of its service");
    }
    return &group->configs[i];
}

static void leave(struct mirror_table *table, struct mirror_config *config)
{
    struct mirror_group *group = find_group(table, config->service_name);
    if (group->n == 1) {
        table_remove(&table->by_service, hash_of_service(config->service_name), is_of_service,
                     config->service_name);
        free(group);
        return;
    }
    struct mirror_config **place = find_member(group, config);
    *place = group->configs[--group->n];
}

/* Brings the index up to date after one config has replaced another of its name, or none. */
static void replace_member(struct mirror_table *table, struct mirror_config *before,
                           struct mirror_config *after)
{
    bool was = mirror_config_is_live(before);
    bool is = mirror_config_is_live(after);
    if (was && is) {
        *find_member(find_group(table, after->service_name), before) = after;
    } else if (is) {
        join(table, after);
    } else if (was) {
        leave(table, before);
    }
}

static void free_groups(struct mirror_table *table)
{
    size_t place = 0;
    for (void *group; (group = table_next(&table->by_service, &place)) != NULL;) {
        free(group);
    }
    table_fini(&table->by_service);
}

/* ---- The table ---- */

void mirror_table_fini(struct mirror_table *table)
{
    size_t place = 0;
    free_groups(table);
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
    replace_member(table, before, config);
    return before;
}
