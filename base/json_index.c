#include "json_index.h"

#include "json_string.h"

static void collect(struct json_index *index, struct json_text object)
{
    size_t room = 0;
    struct json_entry entry = {0};
    for (size_t position = 0; json_member(object, &position, &entry.key, &entry.value);) {
        if (index->n == room) {
            room = room == 0 ? 8 : room * 2;
            index->entries = mem_grow(index->entries, room, sizeof *index->entries);
        }
        entry.hash = json_string_hash(entry.key);
        index->entries[index->n++] = entry;
    }
}

void json_index_init(struct json_index *index, struct json_text object)
{
    *index = (struct json_index){0};
    collect(index, object);
    size_t n_slots = 2;
    while (n_slots < 2 * index->n) {
        n_slots *= 2;
    }
    index->mask = n_slots - 1;
    index->slots = mem_array(n_slots, sizeof *index->slots);
    for (size_t i = 0; i < index->n; i++) {
        size_t slot = index->entries[i].hash & index->mask;
        while (index->slots[slot] != 0) {
            slot = (slot + 1) & index->mask;
        }
        index->slots[slot] = (uint32_t)i + 1;
    }
}

void json_index_fini(struct json_index *index)
{
    free(index->entries);
    free(index->slots);
    *index = (struct json_index){0};
}

struct json_entry *json_index_find(const struct json_index *index, struct json_text key)
{
    uint64_t hash = json_string_hash(key);
    size_t slot = hash & index->mask;
    for (; index->slots[slot] != 0; slot = (slot + 1) & index->mask) {
        struct json_entry *entry = &index->entries[index->slots[slot] - 1];
        if (entry->hash == hash && json_string_equal(entry->key, key)) {
            return entry;
        }
    }
    return NULL;
}
