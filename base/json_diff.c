#include "json.h"
#include "json_index.h"

static void add_change(struct json_diff *diff, size_t *room, struct json_change change)
{
    if (diff->n == *room) {
        *room = *room == 0 ? 8 : *room * 2;
        diff->changes = mem_grow(diff->changes, *room, sizeof *diff->changes);
    }
    diff->changes[diff->n++] = change;
}

void json_diff_objects(struct json_text old_object, struct json_text new_object,
                       struct json_diff *ret_diff)
{
    struct json_diff diff = {0};
    size_t room = 0;
    AUTO_JSON_INDEX index;
    json_index_init(&index, new_object);
    struct json_text key;
    struct json_text value;
    for (size_t position = 0; json_member(old_object, &position, &key, &value);) {
        struct json_entry *entry = json_index_find(&index, key);
        if (entry == NULL) {
            add_change(&diff, &room, (struct json_change){JSON_REMOVED, key, value, {NULL, 0}});
            continue;
        }
        entry->matched = true;
        if (!json_text_equal(value, entry->value)) {
            add_change(&diff, &room, (struct json_change){JSON_CHANGED, key, value, entry->value});
        }
    }
    for (size_t i = 0; i < index.n; i++) {
        const struct json_entry *e = &index.entries[i];
        if (!e->matched) {
            add_change(&diff, &room, (struct json_change){JSON_ADDED, e->key, {NULL, 0}, e->value});
        }
    }
    *ret_diff = diff;
}

void json_diff_fini(struct json_diff *diff)
{
    if (diff != NULL) {
        free(diff->changes);
        *diff = (struct json_diff){0};
    }
}
