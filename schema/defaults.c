#include "defaults.h"

#include <stdlib.h>
#include <string.h>

#include "json_pointer.h"
#include "mem.h"

#define APPLICABLE_MAX 16 /* subschemas for one value */
#define OPEN_MAX 16       /* defaults within defaults */

/* A subschema, and the document that it stands in. */
struct placed_subschema {
    struct json_text schema, root;
};

/* All subschemas that are for one value. */
struct placed_subschemas {
    struct placed_subschema items[APPLICABLE_MAX];
    size_t n;
};

struct fill {
    const struct defaults_options *options;
    struct str *out;
    size_t begin; /* of the value in out */
    struct defaults_report *report;
    struct str path;            /* JSON Pointer to what is filled */
    const char *open[OPEN_MAX]; /* the subschemas whose defaults are being filled in */
    size_t n_open;
    unsigned steps;
    unsigned depth;
};

void defaults_report_fini(struct defaults_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->pointers[i]);
    }
    free(report->pointers);
    *report = (struct defaults_report){0};
}

/* ---- The subschemas for a value ---- */

static bool is_of(struct json_text schema, const char *keyword, enum json_type type,
                  struct json_text *ret_value)
{
    return json_type_of(schema) == JSON_OBJECT && json_find(schema, keyword, ret_value) &&
           json_type_of(*ret_value) == type;
}

/* Finds the target of a $ref: "#/…", or "URI#/…". */
static bool follow(const struct fill *f, struct json_text token, struct json_text root,
                   struct placed_subschema *ret_part)
{
    AUTO_STR text = {0};
    struct status ignored;
    json_decode_string(token, &text);
    const char *reference = str_text(&text);
    const char *hash = strchr(reference, '#');
    size_t n_uri = hash == NULL ? text.len : (size_t)(hash - reference);
    const char *pointer = hash == NULL ? "" : hash + 1;
    struct json_text document = root;
    if (strlen(reference) != text.len || !json_pointer_check(pointer, "$ref", &ignored) ||
        (n_uri > 0 && (f->options->resolve == NULL ||
                       !f->options->resolve(f->options->user, (struct json_text){reference, n_uri},
                                            &document)))) {
        return false;
    }
    *ret_part = (struct placed_subschema){.root = document};
    return json_pointer_find(document, pointer, &ret_part->schema);
}

static void add_part(struct fill *f, struct placed_subschemas *parts, struct placed_subschema part)
{
    struct json_text reference;
    struct json_text list;
    struct json_text item;
    struct placed_subschema target;
    size_t position = 0;
    f->steps++;
    if (json_type_of(part.schema) != JSON_OBJECT || parts->n == APPLICABLE_MAX) {
        return;
    }
    for (size_t i = 0; i < parts->n; i++) {
        if (parts->items[i].schema.data == part.schema.data) {
            return;
        }
    }
    parts->items[parts->n++] = part;
    if (is_of(part.schema, "$ref", JSON_STRING, &reference) &&
        follow(f, reference, part.root, &target)) {
        add_part(f, parts, target);
    }
    while (is_of(part.schema, "allOf", JSON_ARRAY, &list) && json_item(list, &position, &item)) {
        add_part(f, parts, (struct placed_subschema){item, part.root});
    }
}

static void add_property(struct fill *f, const struct placed_subschemas *of, const char *key,
                         struct placed_subschemas *parts)
{
    for (size_t i = 0; i < of->n; i++) {
        struct json_text properties;
        struct json_text found;
        if (is_of(of->items[i].schema, "properties", JSON_OBJECT, &properties) &&
            json_find(properties, key, &found)) {
            add_part(f, parts, (struct placed_subschema){found, of->items[i].root});
        }
    }
}

static bool item_at(struct json_text list, size_t index, struct json_text *ret_item)
{
    size_t position = 0;
    for (size_t i = 0; json_item(list, &position, ret_item); i++) {
        if (i == index) {
            return true;
        }
    }
    return false;
}

static void add_item(struct fill *f, const struct placed_subschemas *of, size_t index,
                     struct placed_subschemas *parts)
{
    for (size_t i = 0; i < of->n; i++) {
        struct json_text schema = of->items[i].schema;
        struct json_text list;
        struct json_text found;
        bool has_list = is_of(schema, "prefixItems", JSON_ARRAY, &list) ||
                        is_of(schema, "items", JSON_ARRAY, &list); /* draft 7 */
        f->steps += has_list ? (unsigned)index : 0u;
        if ((has_list && item_at(list, index, &found)) ||
            is_of(schema, "items", JSON_OBJECT, &found)) {
            add_part(f, parts, (struct placed_subschema){found, of->items[i].root});
        }
    }
}

static bool find_default(const struct placed_subschemas *parts, struct json_text *ret_default)
{
    for (size_t i = 0; i < parts->n; i++) {
        if (json_find(parts->items[i].schema, "default", ret_default)) {
            return true;
        }
    }
    return false;
}

/* ---- Filling ---- */

static bool fits(const struct fill *f)
{
    return f->steps <= DEFAULTS_STEPS && f->report->n <= DEFAULTS_MEMBERS &&
           f->out->len - f->begin <= f->options->max_bytes;
}

static void push(struct fill *f, const char *key)
{
    str_add_char(&f->path, '/');
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/') {
            str_add_text(&f->path, *key == '~' ? "~0" : "~1");
        } else {
            str_add_char(&f->path, *key);
        }
    }
}

static bool fill_value(struct fill *f, const struct placed_subschemas *parts,
                       struct json_text value);

/* Whether a default of this subschema is being filled in: it refers to itself. */
static bool is_open(const struct fill *f, const struct placed_subschemas *parts)
{
    for (size_t i = 0; i < f->n_open; i++) {
        for (size_t k = 0; k < parts->n; k++) {
            if (f->open[i] == parts->items[k].schema.data) {
                return true;
            }
        }
    }
    return f->n_open == OPEN_MAX;
}

/* Fills a value that the schema has made; one of a subschema that refers to itself stays. */
static bool fill_made(struct fill *f, const struct placed_subschemas *parts, struct json_text value)
{
    if (is_open(f, parts)) {
        str_add(f->out, value.data, value.len);
        return true;
    }
    f->open[f->n_open++] = parts->items[0].schema.data;
    bool ok = fill_value(f, parts, value);
    f->n_open--;
    return ok;
}

static void note(struct fill *f)
{
    f->report->pointers =
        mem_grow(f->report->pointers, f->report->n + 1, sizeof f->report->pointers[0]);
    f->report->pointers[f->report->n++] = mem_string(str_text(&f->path));
}

static bool has_properties(const struct placed_subschemas *parts)
{
    struct json_text ignored;
    for (size_t i = 0; i < parts->n; i++) {
        if (is_of(parts->items[i].schema, "properties", JSON_OBJECT, &ignored)) {
            return true;
        }
    }
    return false;
}

/* Appends a member that is missing, if the schema has a default for it. */
static bool add_missing(struct fill *f, const struct placed_subschemas *of, const char *key,
                        bool *first)
{
    static const struct json_text empty = {"{}", 2};
    struct placed_subschemas parts = {.n = 0};
    struct json_text value;
    add_property(f, of, key, &parts);
    bool has_default = find_default(&parts, &value);
    bool makes =
        !has_default && f->options->make_objects && has_properties(&parts) && !is_open(f, &parts);
    if (!has_default && !makes) {
        return fits(f);
    }
    size_t before = f->out->len;
    size_t path = f->path.len;
    size_t filled = f->report->n;
    str_add_text(f->out, *first ? "" : ",");
    json_add_text(f->out, "", key);
    str_add_char(f->out, ':');
    push(f, key);
    if (has_default) {
        note(f);
    }
    bool ok = fill_made(f, &parts, has_default ? value : empty) && fits(f);
    str_truncate(&f->path, path);
    if (ok && makes && f->report->n == filled) {
        str_truncate(f->out, before); /* nothing was in it */
    } else {
        *first = false;
    }
    return ok;
}

/* Whether a member is missing, and none of the first n subschemas has been asked for it. */
static bool lacks(struct json_text object, const struct placed_subschemas *parts, size_t n,
                  const char *key)
{
    struct json_text found;
    for (size_t i = 0; i < n; i++) {
        struct json_text properties;
        if (is_of(parts->items[i].schema, "properties", JSON_OBJECT, &properties) &&
            json_find(properties, key, &found)) {
            return false;
        }
    }
    return !json_find(object, key, &found);
}

static bool add_all_missing(struct fill *f, const struct placed_subschemas *parts,
                            struct json_text object, bool *first)
{
    bool ok = true;
    for (size_t i = 0; i < parts->n && ok; i++) {
        struct json_text properties;
        struct json_text token;
        struct json_text schema;
        size_t position = 0;
        if (!is_of(parts->items[i].schema, "properties", JSON_OBJECT, &properties)) {
            continue;
        }
        while (ok && json_member(properties, &position, &token, &schema)) {
            AUTO_STR key = {0};
            json_decode_string(token, &key);
            f->steps++;
            if (lacks(object, parts, i, str_text(&key))) {
                ok = add_missing(f, parts, str_text(&key), first);
            }
        }
    }
    return ok;
}

static bool fill_object(struct fill *f, const struct placed_subschemas *parts,
                        struct json_text object)
{
    struct json_text token;
    struct json_text value;
    size_t position = 0;
    bool first = true;
    bool ok = true;
    str_add_char(f->out, '{');
    while (ok && json_member(object, &position, &token, &value)) {
        struct placed_subschemas below = {.n = 0};
        AUTO_STR key = {0};
        json_decode_string(token, &key);
        size_t path = f->path.len;
        str_add_text(f->out, first ? "" : ",");
        str_add(f->out, token.data, token.len);
        str_add_char(f->out, ':');
        add_property(f, parts, str_text(&key), &below);
        push(f, str_text(&key));
        ok = fill_value(f, &below, value);
        str_truncate(&f->path, path);
        first = false;
    }
    ok = ok && add_all_missing(f, parts, object, &first);
    str_add_char(f->out, '}');
    return ok && fits(f);
}

static bool fill_array(struct fill *f, const struct placed_subschemas *parts,
                       struct json_text array)
{
    struct json_text item;
    size_t position = 0;
    bool ok = true;
    str_add_char(f->out, '[');
    for (size_t i = 0; ok && json_item(array, &position, &item); i++) {
        struct placed_subschemas below = {.n = 0};
        size_t path = f->path.len;
        str_add_text(f->out, i == 0 ? "" : ",");
        add_item(f, parts, i, &below);
        str_addf(&f->path, "/%zu", i);
        ok = fill_value(f, &below, item);
        str_truncate(&f->path, path);
    }
    str_add_char(f->out, ']');
    return ok && fits(f);
}

static bool fill_value(struct fill *f, const struct placed_subschemas *parts,
                       struct json_text value)
{
    enum json_type type = json_type_of(value);
    bool ok = ++f->depth <= DEFAULTS_LEVELS;
    f->steps++;
    if (ok && parts->n > 0 && type == JSON_OBJECT) {
        ok = fill_object(f, parts, value);
    } else if (ok && parts->n > 0 && type == JSON_ARRAY) {
        ok = fill_array(f, parts, value);
    } else {
        str_add(f->out, value.data, value.len);
    }
    f->depth--;
    return ok && fits(f);
}

bool schema_fill_defaults(struct json_text schema, struct json_text value,
                          const struct defaults_options *options, struct str *out,
                          struct defaults_report *report)
{
    struct fill f = {.options = options, .out = out, .begin = out->len, .report = report};
    struct placed_subschemas parts = {.n = 0};
    add_part(&f, &parts, (struct placed_subschema){schema, schema});
    bool ok = fill_value(&f, &parts, value);
    str_fini(&f.path);
    return ok;
}
