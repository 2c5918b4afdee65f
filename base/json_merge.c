#include <assert.h>

#include "json.h"
#include "json_index.h"

static const struct json_text nothing = {"{}", 2};

static void add_key(struct str *out, struct json_text key)
{
    if (out->data[out->len - 1] != '{') {
        str_add_char(out, ',');
    }
    str_add(out, key.data, key.len);
    str_add_char(out, ':');
}

/* levels: how many more levels of nesting are allowed. */
static void merge(struct json_text target, struct json_text patch, struct str *out, size_t levels)
{
    assert(levels > 0 && "json_check bounds the depth");
    if (json_type_of(patch) != JSON_OBJECT) {
        str_add(out, patch.data, patch.len);
        return;
    }
    struct json_text base = json_type_of(target) == JSON_OBJECT ? target : nothing;
    AUTO_JSON_INDEX index;
    json_index_init(&index, patch);
    str_add_char(out, '{');
    struct json_text key;
    struct json_text value;
    for (size_t position = 0; json_member(base, &position, &key, &value);) {
        struct json_entry *entry = json_index_find(&index, key);
        if (entry == NULL) {
            add_key(out, key);
            str_add(out, value.data, value.len);
            continue;
        }
        entry->matched = true;
        if (json_type_of(entry->value) != JSON_NULL) {
            add_key(out, key);
            merge(value, entry->value, out, levels - 1);
        }
    }
    for (size_t i = 0; i < index.n; i++) {
        const struct json_entry *entry = &index.entries[i];
        if (!entry->matched && json_type_of(entry->value) != JSON_NULL) {
            add_key(out, entry->key);
            merge(nothing, entry->value, out, levels - 1);
        }
    }
    str_add_char(out, '}');
}

void json_merge(struct json_text target, struct json_text patch, struct str *out)
{
    merge(target, patch, out, JSON_DEPTH_MAX + 1);
}
