#include "head_table.h"

#include <string.h>

#include "utf8.h"

struct head_key {
    const char *bytes; /* environment, NUL, service: as head->key */
    size_t n;
};

static bool has_key(const void *item, const void *key)
{
    const struct head *head = item;
    const struct head_key *k = key;
    return head_key_size(head) == k->n && memcmp(head->key, k->bytes, k->n) == 0;
}

static void unref_all(const struct head_table *table)
{
    size_t place = 0;
    for (struct head *head; (head = head_table_next(table, &place)) != NULL;) {
        head_unref(head);
    }
}

void head_table_clear(struct head_table *table)
{
    unref_all(table);
    table_clear(&table->by_name);
}

void head_table_fini(struct head_table *table)
{
    unref_all(table);
    table_fini(&table->by_name);
}

struct head *head_table_find(const struct head_table *table, const char *environment,
                             const char *service)
{
    size_t n_environment = strlen(environment);
    size_t n_service = strlen(service);
    char bytes[KEY_ENVIRONMENT_MAX_BYTES + 1 + NAME_MAX_BYTES];
    if (n_environment > KEY_ENVIRONMENT_MAX_BYTES || n_service > NAME_MAX_BYTES) {
        return NULL;
    }
    memcpy(bytes, environment, n_environment + 1);
    memcpy(bytes + n_environment + 1, service, n_service);
    struct head_key key = {.bytes = bytes, .n = n_environment + 1 + n_service};
    return table_find(&table->by_name, hash_table_key(key.bytes, key.n), has_key, &key);
}

struct head *head_table_put(struct head_table *table, struct head *head)
{
    struct head_key key = {.bytes = head->key, .n = head_key_size(head)};
    return table_put(&table->by_name, hash_table_key(key.bytes, key.n), has_key, &key, head);
}
