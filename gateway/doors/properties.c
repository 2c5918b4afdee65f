#include "properties.h"

#include <string.h>

#include "hash.h"
#include "mem.h"
#include "table.h"

struct name {
    size_t n;
    char text[];
};

struct writer {
    struct str *out;
    size_t begin;       /* where the properties begin in out */
    struct str path;    /* the name of what is being walked */
    bool may_repeat;    /* two values may have one name, */
    struct table names; /* so names are kept: struct name, owned */
    bool is_full;
};

static const struct json_text empty = {"\"\"", 2};

static void writer_fini(struct writer *writer)
{
    struct name *name;
    for (size_t place = 0; (name = table_next(&writer->names, &place)) != NULL;) {
        free(name);
    }
    table_fini(&writer->names);
    str_fini(&writer->path);
}

/* Whether a key can make a name that other keys make, too: it has one of the signs that join names,
 * maybe escaped, or is empty. */
static bool is_ambiguous(struct json_text key)
{
    return key.len == 2 || memchr(key.data, '.', key.len) != NULL ||
           memchr(key.data, '[', key.len) != NULL || memchr(key.data, '\\', key.len) != NULL;
}

/* The depth of a checked text is bounded, as for all walks below. */
static bool may_repeat(struct json_text value)
{
    struct json_text key, inner;
    if (json_type_of(value) == JSON_OBJECT) {
        for (size_t at = 0; json_member(value, &at, &key, &inner);) {
            if (is_ambiguous(key) || may_repeat(inner)) {
                return true;
            }
        }
    }
    if (json_type_of(value) == JSON_ARRAY) {
        for (size_t at = 0; json_item(value, &at, &inner);) {
            if (may_repeat(inner)) {
                return true;
            }
        }
    }
    return false;
}

static bool has_name(const void *item, const void *key)
{
    const struct name *name = item;
    const struct str *path = key;
    return name->n == path->len && memcmp(name->text, str_text(path), path->len) == 0;
}

/* Keeps the name of the path; false: it was there. */
static bool keep_name(struct writer *writer)
{
    const struct str *path = &writer->path;
    uint64_t hash = hash_table_key(str_text(path), path->len);
    if (table_find(&writer->names, hash, has_name, path) != NULL) {
        return false;
    }
    struct name *name = mem_alloc(sizeof *name + path->len);
    name->n = path->len;
    memcpy(name->text, str_text(path), path->len);
    table_put(&writer->names, hash, has_name, path, name);
    return true;
}

/* The value of what stands at the path. */
static void add_property(struct writer *writer, struct json_text value)
{
    if (writer->may_repeat && !keep_name(writer)) {
        return;
    }
    struct str *out = writer->out;
    str_add_text(out, out->len == writer->begin + 1 ? "" : ",");
    json_encode_string(out, str_text(&writer->path), writer->path.len);
    str_add_char(out, ':');
    str_add(out, value.data, value.len);
    writer->is_full = out->len - writer->begin > PROPERTIES_MAX_BYTES;
}

static void walk(struct writer *writer, struct json_text value);

static void walk_object(struct writer *writer, struct json_text object)
{
    size_t n_path = writer->path.len;
    struct json_text key, value;
    for (size_t at = 0; !writer->is_full && json_member(object, &at, &key, &value);) {
        AUTO_STR name = {0};
        json_decode_string(key, &name);
        if (n_path > 0 && str_text(&name)[0] != '[') {
            str_add_char(&writer->path, '.');
        }
        str_add(&writer->path, str_text(&name), name.len);
        walk(writer, value);
        str_truncate(&writer->path, n_path);
    }
}

static void walk_array(struct writer *writer, struct json_text array)
{
    size_t n_path = writer->path.len;
    struct json_text value;
    size_t index = 0;
    for (size_t at = 0; !writer->is_full && json_item(array, &at, &value); index++) {
        str_addf(&writer->path, "[%zu]", index);
        walk(writer, value);
        str_truncate(&writer->path, n_path);
    }
    if (index == 0) {
        add_property(writer, empty);
    }
}

static void walk(struct writer *writer, struct json_text value)
{
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        walk_object(writer, value);
        return;
    case JSON_ARRAY:
        walk_array(writer, value);
        return;
    case JSON_NULL:
        add_property(writer, empty);
        return;
    default:
        add_property(writer, value);
    }
}

bool properties_add(struct json_text object, struct str *out)
{
    struct writer writer = {.out = out, .begin = out->len, .may_repeat = may_repeat(object)};
    str_add_char(out, '{');
    walk(&writer, object);
    str_add_char(out, '}');
    bool fits = !writer.is_full;
    if (!fits) {
        str_truncate(out, writer.begin);
    }
    writer_fini(&writer);
    return fits;
}
