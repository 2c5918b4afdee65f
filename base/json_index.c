#include "json_index.h"

#include "json_string.h"

static bool has_key(const void *item, const void *key)
{
    const struct json_entry *entry = item;
    return json_string_equal(entry->key, *(const struct json_text *)key);
}

static void collect(struct json_index *index, struct json_text object)
{
    size_t room = 0;
    struct json_entry entry = {0};
    for (size_t position = 0; json_member(object, &position, &entry.key, &entry.value);) {
        if (index->n == room) {
            room = room == 0 ? 8 : room * 2;
            index->entries = mem_grow(index->entries, room, sizeof *index->entries);
        }
        index->entries[index->n++] = entry;
    }
}

void json_index_init(struct json_index *index, struct json_text object)
{
    *index = (struct json_index){0};
    collect(index, object);
    for (size_t i = 0; i < index->n; i++) {
        struct json_entry *entry = &index->entries[i];
        table_put(&index->by_key, json_string_hash(entry->key), has_key, &entry->key, entry);
    }
}

void json_index_fini(struct json_index *index)
{
    free(index->entries);
    table_fini(&index->by_key);
    *index = (struct json_index){0};
}

struct json_entry *json_index_find(const struct json_index *index, struct json_text key)
{
    return table_find(&index->by_key, json_string_hash(key), has_key, &key);
}
