/* The table of a mirror's configs: finding them, and the live ones of a service. */
#include "mirror_table.h"

#include <stdio.h>

#include "leak_check.h"
#include "mirror_config.h"
#include "random.h"

TestSuite(mirror_table, .fini = leak_check);

#define EPOCH "0123456789abcdef"

Test(mirror_table, a_table_finds_all_that_was_put)
{
    struct mirror_table table = {0};
    char name[16];
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 3000; i++) {
            snprintf(name, sizeof name, "s%d", i);
            struct mirror_config *before = mirror_table_put(
                &table, mirror_config_tombstone(EPOCH, i % 2 == 0 ? "prod" : "dev", name,
                                                (uint64_t)(round * 10000 + i)));
            cr_assert_eq(before != NULL, round == 2);
            mirror_config_unref(before);
        }
    }
    cr_expect_eq(mirror_table_count(&table), 3000);
    cr_expect_eq(table.n_live, 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "s%d", i);
        const struct mirror_config *found =
            mirror_table_find(&table, i % 2 == 0 ? "prod" : "dev", name);
        cr_assert(found != NULL && found->mod_revision == (uint64_t)(20000 + i));
        cr_assert_null(mirror_table_find(&table, i % 2 == 0 ? "dev" : "prod", name));
    }
    mirror_table_fini(&table);
}

static size_t count_group(const struct mirror_table *table, const char *service)
{
    const struct mirror_group *group = mirror_table_service(table, service);
    size_t n = group == NULL ? 0 : group->n;
    for (size_t i = 0; i < n; i++) {
        const struct mirror_config *config = group->configs[i];
        cr_expect_str_eq(config->service_name, service);
        cr_expect_eq(mirror_table_find(table, config->environment, service), config);
    }
    return n;
}

Test(mirror_table, a_table_groups_the_live_configs_of_a_service)
{
    struct mirror_table table = {0};
    struct random random = {random_seed()};
    bool live[8][16] = {{false}};
    for (int step = 0; step < 5000; step++) {
        size_t service = random_below(&random, 8);
        size_t environment = random_below(&random, 16);
        char names[2][16];
        snprintf(names[0], sizeof names[0], "e%zu", environment);
        snprintf(names[1], sizeof names[1], "s%zu", service);
        struct mirror_config *config =
            mirror_config_tombstone(EPOCH, names[0], names[1], (uint64_t)step);
        live[service][environment] = random_below(&random, 3) > 0;
        config->version = live[service][environment];
        mirror_config_unref(mirror_table_put(&table, config));
        size_t n = 0;
        for (size_t i = 0; i < 16; i++) {
            n += live[service][i];
        }
        cr_assert_eq(count_group(&table, names[1]), n, "step %d", step);
    }
    mirror_table_fini(&table);
}
