#include "table.h"

#include <string.h>

#include "hash.h"
#include "leak_check.h"
#include "mem.h"
#include "random.h"

TestSuite(table, .fini = leak_check);

struct item {
    unsigned key;
    bool held; /* by the model */
};

static bool has_key(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const unsigned *)key;
}

/* Few hashes, so that items meet, wrap round the end of the array and move up again. */
static uint64_t hash_of(unsigned key, unsigned n_hashes)
{
    return key % n_hashes == 0 ? UINT64_MAX : key % n_hashes;
}

static void *put(struct table *table, unsigned n_hashes, struct item *item)
{
    return table_put(table, hash_of(item->key, n_hashes), has_key, &item->key, item);
}

static struct item *find(const struct table *table, unsigned n_hashes, unsigned key)
{
    return table_find(table, hash_of(key, n_hashes), has_key, &key);
}

static void check(const struct table *table, unsigned n_hashes, struct item *items, unsigned n)
{
    size_t held = 0;
    for (unsigned key = 0; key < n; key++) {
        held += items[key].held;
        cr_assert_eq(find(table, n_hashes, key), items[key].held ? &items[key] : NULL, "%u", key);
    }
    cr_assert_eq(table->n, held);
    size_t place = 0;
    for (const struct item *item; (item = table_next(table, &place)) != NULL; held--) {
        cr_assert(item->held);
    }
    cr_assert_eq(held, 0, "each item once");
    cr_assert(table->n_slots == 0 || 3 * table->n <= 2 * table->n_slots);
}

Test(table, an_empty_one_has_nothing)
{
    struct table table = {0};
    unsigned key = 7;
    size_t place = 0;
    cr_expect_null(table_find(&table, 7, has_key, &key));
    cr_expect_null(table_remove(&table, 7, has_key, &key));
    cr_expect_null(table_next(&table, &place));
    cr_expect_eq(table_bytes(&table), 0);
    table_clear(&table);
    table_fini(&table);
}

/* Items come, are replaced and go at random; after each step the table holds what a model holds. */
static void walk(unsigned n_hashes, uint64_t seed)
{
    enum { KEYS = 60 };
    struct item items[KEYS];
    struct table table = {0};
    struct random random = {seed};
    for (unsigned key = 0; key < KEYS; key++) {
        items[key] = (struct item){.key = key};
    }
    for (int step = 0; step < 2000; step++) {
        unsigned key = (unsigned)random_below(&random, KEYS);
        struct item *before = items[key].held ? &items[key] : NULL;
        if (random_below(&random, 2) == 0) {
            cr_assert_eq(put(&table, n_hashes, &items[key]), before);
            items[key].held = true;
        } else {
            cr_assert_eq(table_remove(&table, hash_of(key, n_hashes), has_key, &key), before);
            items[key].held = false;
        }
        check(&table, n_hashes, items, KEYS);
    }
    table_fini(&table);
}

Test(table, does_as_a_model_does)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        walk(1, seed);
        walk(7, seed);
        walk(1000, seed);
    }
}

Test(table, an_item_replaces_that_of_its_key)
{
    struct table table = {0};
    struct item first = {.key = 1};
    struct item second = {.key = 1};
    cr_expect_null(put(&table, 10, &first));
    cr_expect_eq(put(&table, 10, &second), &first);
    cr_expect_eq(find(&table, 10, 1), &second);
    cr_expect_eq(table.n, 1);
    table_clear(&table);
    cr_expect_null(find(&table, 10, 1));
    cr_expect_gt(table_bytes(&table), 0, "the room is kept");
    cr_expect_null(put(&table, 10, &first));
    table_fini(&table);
}

/* Replacing while stepping through neither moves nor misses anything. */
Test(table, items_may_be_replaced_while_stepping_through)
{
    enum { KEYS = 1000 };
    struct table table = {0};
    struct item *items = mem_array(2 * KEYS, sizeof items[0]);
    for (unsigned i = 0; i < 2 * KEYS; i++) {
        items[i].key = i % KEYS;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        put(&table, KEYS, &items[i]);
    }
    size_t place = 0;
    size_t n = 0;
    for (struct item *item; (item = table_next(&table, &place)) != NULL; n++) {
        cr_assert_lt(item - items, KEYS);
        put(&table, KEYS, item + KEYS);
    }
    cr_expect_eq(n, KEYS);
    cr_expect_eq(table.n, KEYS);
    table_fini(&table);
    free(items);
}
