#include <assert.h>

#include "json.h"
#include "json_index.h"
#include "json_scan.h"

enum { FREE_BYTES = 64 * 1024 };

struct patch {
    struct str *out;
    size_t end;      /* where out's length makes it worse than a replacement of the whole */
    struct str path; /* RFC 6901, not yet a JSON string */
    size_t n;        /* operations */
    size_t levels;   /* how many more levels are allowed */
};

static void compare(struct patch *p, struct json_text old_value, struct json_text new_value);

static bool is_too_long(const struct patch *p)
{
    return p->out->len > p->end || p->n > JSON_PATCH_MAX_OPERATIONS;
}

/* value: NULL for "remove". */
static void add_operation(struct patch *p, const char *name, const struct json_text *value)
{
    struct str *out = p->out;
    p->n++;
    str_addf(out, "%s{\"op\":\"%s\",\"path\":", out->data[out->len - 1] == '[' ? "" : ",", name);
    json_encode_string(out, str_text(&p->path), p->path.len);
    if (value != NULL) {
        str_add_text(out, ",\"value\":");
        str_add(out, value->data, value->len);
    }
    str_add_char(out, '}');
}

/* Both push a step onto the path and return the length to cut it to afterwards. */
static size_t push_key(struct patch *p, struct json_text key)
{
    size_t mark = p->path.len;
    AUTO_STR name = {0};
    json_decode_string(key, &name);
    str_add_char(&p->path, '/');
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '~' || name.data[i] == '/') {
            str_add_text(&p->path, name.data[i] == '~' ? "~0" : "~1");
        } else {
            str_add_char(&p->path, name.data[i]);
        }
    }
    return mark;
}

static size_t push_number(struct patch *p, size_t number)
{
    size_t mark = p->path.len;
    str_addf(&p->path, "/%zu", number);
    return mark;
}

static void compare_objects(struct patch *p, struct json_text old_object,
                            struct json_text new_object)
{
    AUTO_JSON_INDEX index;
    json_index_init(&index, new_object);
    struct json_text key;
    struct json_text value;
    for (size_t at = 0; !is_too_long(p) && json_member(old_object, &at, &key, &value);) {
        struct json_entry *entry = json_index_find(&index, key);
        size_t mark = push_key(p, key);
        if (entry == NULL) {
            add_operation(p, "remove", NULL);
        } else {
            entry->matched = true;
            compare(p, value, entry->value);
        }
        str_truncate(&p->path, mark);
    }
    for (size_t i = 0; i < index.n && !is_too_long(p); i++) {
        if (!index.entries[i].matched) {
            size_t mark = push_key(p, index.entries[i].key);
            add_operation(p, "add", &index.entries[i].value);
            str_truncate(&p->path, mark);
        }
    }
}

/* Removes the items from number `keep` on, the last one first; position stands before that one. */
static void remove_tail(struct patch *p, struct json_text array, size_t position, size_t keep)
{
    size_t n = keep;
    struct json_text item;
    while (json_item(array, &position, &item)) {
        n++;
    }
    while (n > keep && !is_too_long(p)) {
        size_t mark = push_number(p, --n);
        add_operation(p, "remove", NULL);
        str_truncate(&p->path, mark);
    }
}

static void add_tail(struct patch *p, struct json_text array, size_t position)
{
    size_t mark = p->path.len;
    str_add_text(&p->path, "/-");
    struct json_text item;
    while (!is_too_long(p) && json_item(array, &position, &item)) {
        add_operation(p, "add", &item);
    }
    str_truncate(&p->path, mark);
}

static void compare_arrays(struct patch *p, struct json_text old_array, struct json_text new_array)
{
    size_t position_old = 0;
    size_t position_new = 0;
    size_t n = 0;
    for (; !is_too_long(p); n++) {
        size_t next_old = position_old;
        size_t next_new = position_new;
        struct json_text old_item;
        struct json_text new_item;
        if (!json_item(old_array, &next_old, &old_item) ||
            !json_item(new_array, &next_new, &new_item)) {
            break;
        }
        position_old = next_old;
        position_new = next_new;
        size_t mark = push_number(p, n);
        compare(p, old_item, new_item);
        str_truncate(&p->path, mark);
    }
    remove_tail(p, old_array, position_old, n);
    add_tail(p, new_array, position_new);
}

static void compare(struct patch *p, struct json_text old_value, struct json_text new_value)
{
    assert(p->levels > 0 && "json_check bounds the depth");
    if (json_same_text(old_value, new_value)) {
        return;
    }
    p->levels--;
    enum json_type type = json_type_of(old_value);
    bool same_type = type == json_type_of(new_value);
    if (same_type && type == JSON_OBJECT) {
        compare_objects(p, old_value, new_value);
    } else if (same_type && type == JSON_ARRAY) {
        compare_arrays(p, old_value, new_value);
    } else if (!json_text_equal(old_value, new_value)) {
        add_operation(p, "replace", &new_value);
    }
    p->levels++;
}

void json_patch_between(struct json_text old_value, struct json_text new_value, struct str *out)
{
    size_t start = out->len;
    size_t allowed = new_value.len > FREE_BYTES ? new_value.len : FREE_BYTES;
    struct patch p = {.out = out, .end = start + allowed, .levels = JSON_DEPTH_MAX + 1};
    str_add_char(out, '[');
    compare(&p, old_value, new_value);
    if (is_too_long(&p)) {
        str_truncate(out, start + 1);
        str_clear(&p.path);
        add_operation(&p, "replace", &new_value);
    }
    str_add_char(out, ']');
    str_fini(&p.path);
}
