#include "access_edit.h"

#include <string.h>

#define INLINE_BYTES 72 /* an array of plain values that is no longer stays on one line */

/* ---- Layout ---- */

static bool is_plain(struct json_text value)
{
    enum json_type type = json_type_of(value);
    return type != JSON_OBJECT && type != JSON_ARRAY;
}

static bool fits_a_line(struct json_text array)
{
    size_t position = 0;
    struct json_text item;
    while (json_item(array, &position, &item)) {
        if (!is_plain(item)) {
            return false;
        }
    }
    return array.len <= INLINE_BYTES;
}

static void new_line(struct str *out, unsigned level)
{
    str_add_char(out, '\n');
    for (unsigned i = 0; i < level; i++) {
        str_add(out, "  ", 2);
    }
}

static void indent(struct json_text value, unsigned level, struct str *out);

static void indent_object(struct json_text object, unsigned level, struct str *out)
{
    size_t position = 0;
    struct json_text key;
    struct json_text value;
    bool any = false;
    str_add_char(out, '{');
    for (; json_member(object, &position, &key, &value); any = true) {
        str_add_text(out, any ? "," : "");
        new_line(out, level + 1);
        str_add(out, key.data, key.len);
        str_add(out, ": ", 2);
        indent(value, level + 1, out);
    }
    if (any) {
        new_line(out, level);
    }
    str_add_char(out, '}');
}

static void indent_array(struct json_text array, unsigned level, struct str *out)
{
    size_t position = 0;
    struct json_text item;
    bool on_a_line = fits_a_line(array);
    bool any = false;
    str_add_char(out, '[');
    for (; json_item(array, &position, &item); any = true) {
        if (on_a_line) {
            str_add_text(out, any ? ", " : "");
        } else {
            str_add_text(out, any ? "," : "");
            new_line(out, level + 1);
        }
        indent(item, level + 1, out);
    }
    if (any && !on_a_line) {
        new_line(out, level);
    }
    str_add_char(out, ']');
}

static void indent(struct json_text value, unsigned level, struct str *out)
{
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        indent_object(value, level, out);
        break;
    case JSON_ARRAY:
        indent_array(value, level, out);
        break;
    default:
        str_add(out, value.data, value.len);
    }
}

/* ---- The parts that are added ---- */

static void add_patterns(struct str *out, const char *member, const char *const *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        str_addf(out, i == 0 ? ",\"%s\":[" : ",", member);
        json_encode_string(out, patterns[i], strlen(patterns[i]));
    }
    str_add_text(out, n > 0 ? "]" : "");
}

static void add_grant(const struct access_addition *addition, enum access_role role,
                      struct str *out)
{
    str_addf(out, "{\"role\":\"%s\"", access_role_name(role));
    add_patterns(out, "environments", addition->environments, addition->n_environments);
    add_patterns(out, "services", addition->services, addition->n_services);
    str_add_char(out, '}');
}

static void add_token(const struct access_addition *addition, const char *digits, struct str *out)
{
    str_addf(out, "{\"sha256\":\"%s\"", digits);
    if (addition->expires != NULL) {
        json_add_text(out, ",\"expires\":", addition->expires);
    }
    str_add_char(out, '}');
}

/* ---- A principal ---- */

static struct json_text text_of(const struct str *s)
{
    return (struct json_text){str_text(s), s->len};
}

static bool has_item(struct json_text array, struct json_text wanted)
{
    size_t position = 0;
    struct json_text item;
    while (json_item(array, &position, &item)) {
        if (json_text_equal(item, wanted)) {
            return true;
        }
    }
    return false;
}

/* Appends an item to an array that is being written, before its end. */
static void append_item(struct str *array, struct json_text item)
{
    str_truncate(array, array->len - 1);
    str_add_text(array, array->data[array->len - 1] == '[' ? "" : ",");
    str_add(array, item.data, item.len);
    str_add_char(array, ']');
}

/* Appends the member of a principal, or [] where he has none. */
static void copy_array(struct json_text principal, const char *member, struct str *out)
{
    struct json_text value;
    if (json_find(principal, member, &value)) {
        str_add(out, value.data, value.len);
    } else {
        str_add(out, "[]", 2);
    }
}

static void make_tokens(struct json_text principal, const struct access_addition *addition,
                        const char *digits, struct str *out)
{
    AUTO_STR token = {0};
    copy_array(principal, "tokens", out);
    add_token(addition, digits, &token);
    append_item(out, text_of(&token));
}

static void make_grants(struct json_text principal, const struct access_addition *addition,
                        struct str *out)
{
    copy_array(principal, "grants", out);
    for (size_t i = 0; i < addition->n_roles; i++) {
        AUTO_STR grant = {0};
        add_grant(addition, addition->roles[i], &grant);
        if (!has_item(text_of(out), text_of(&grant))) {
            append_item(out, text_of(&grant));
        }
    }
}

static bool is_key(struct json_text key, const char *name)
{
    AUTO_STR decoded = {0};
    json_decode_string(key, &decoded);
    return strcmp(str_text(&decoded), name) == 0;
}

/* Appends the principal, with the addition. */
static void add_principal(struct json_text principal, const struct access_addition *addition,
                          const char *digits, struct str *out)
{
    size_t position = 0;
    struct json_text key;
    struct json_text value;
    str_add_char(out, '{');
    while (json_member(principal, &position, &key, &value)) {
        if (!is_key(key, "tokens") && !is_key(key, "grants")) {
            str_addf(out, "%.*s:%.*s,", (int)key.len, key.data, (int)value.len, value.data);
        }
    }
    AUTO_STR tokens = {0};
    AUTO_STR grants = {0};
    make_tokens(principal, addition, digits, &tokens);
    make_grants(principal, addition, &grants);
    str_addf(out, "\"tokens\":%s,\"grants\":%s}", tokens.data, grants.data);
}

/* ---- The file ---- */

static bool is_principal(struct json_text principal, const char *name)
{
    struct json_text value;
    AUTO_STR decoded = {0};
    if (json_find(principal, "name", &value)) {
        json_decode_string(value, &decoded);
    }
    return strcmp(str_text(&decoded), name) == 0;
}

/* Appends the principals with the addition; a new one comes last. */
static bool add_principals(struct json_text principals, const struct access_addition *addition,
                           const char *digits, struct str *out, struct status *st)
{
    size_t position = 0;
    struct json_text item;
    bool found = false;
    str_add_char(out, '[');
    while (json_item(principals, &position, &item)) {
        str_add_text(out, out->data[out->len - 1] == '[' ? "" : ",");
        if (is_principal(item, addition->name)) {
            found = true;
            add_principal(item, addition, digits, out);
        } else {
            str_add(out, item.data, item.len);
        }
    }
    if (!found && addition->n_roles == 0) {
        return status_set(st, STATUS_NOT_FOUND, "PRINCIPAL_UNKNOWN",
                          "there is no principal %s: a new one needs a role", addition->name);
    }
    if (!found) {
        AUTO_STR new = {0};
        json_add_text(&new, "{\"name\":", addition->name);
        str_add_char(&new, '}');
        str_add_text(out, out->data[out->len - 1] == '[' ? "" : ",");
        add_principal(text_of(&new), addition, digits, out);
    }
    str_add_char(out, ']');
    return true;
}

bool access_edit_add(struct json_text file, const struct access_addition *addition,
                     const char *digits, struct str *out, struct status *st)
{
    AUTO_STR edited = {0};
    struct json_text principals = {"[]", 2};
    json_find(file, "principals", &principals);
    str_add_text(&edited, "{\"principals\":");
    if (!add_principals(principals, addition, digits, &edited, st)) {
        return false;
    }
    size_t position = 0;
    struct json_text key;
    struct json_text value;
    while (json_member(file, &position, &key, &value)) {
        if (!is_key(key, "principals")) {
            str_addf(&edited, ",%.*s:%.*s", (int)key.len, key.data, (int)value.len, value.data);
        }
    }
    str_add_char(&edited, '}');
    indent(text_of(&edited), 0, out);
    str_add_char(out, '\n');
    return true;
}
