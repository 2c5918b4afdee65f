#include "flags.h"

#include <string.h>

#include "hash.h"
#include "json_index.h"

#define VARIANT_MAX_BYTES 64 /* of a value that is its own variant */
#define VARIANT_HASH_BYTES 6

/* A flag's values in both configs; of length 0: that config lacks it. */
struct flag {
    struct json_text key; /* a token with quotes */
    struct json_text own, shared;
};

static const struct json_text nothing = {"null", 4};

static bool is_live(const struct door_head *head)
{
    return head->version != 0;
}

/* NULL: there is none beside the own one. */
static const struct door_head *shared_of(const struct door_heads *heads)
{
    return heads->n > 1 && is_live(&heads->items[1]) ? &heads->items[1] : NULL;
}

static struct json_text value_of(const struct flag *flag)
{
    return flag->own.len > 0 ? flag->own : flag->shared;
}

/* As a resolved config has it. */
static void add_value(const struct door_heads *heads, const struct flag *flag, struct str *out)
{
    if (flag->own.len > 0 && shared_of(heads) != NULL) {
        json_merge(flag->shared.len > 0 ? flag->shared : nothing, flag->own, out);
    } else {
        struct json_text value = value_of(flag);
        str_add(out, value.data, value.len);
    }
}

/* A value that is longer is told by its hash. */
static void add_hash(struct str *out, const struct str *value)
{
    char digits[2 * VARIANT_HASH_BYTES + 1];
    struct hash hash = hash_bytes(value->data, value->len);
    hex_encode(hash.bytes, VARIANT_HASH_BYTES, digits);
    str_addf(out, "\"%s\"", digits);
}

static void add_variant(struct str *out, const struct str *value)
{
    enum json_type type = json_type_of((struct json_text){value->data, value->len});
    bool is_short = value->len <= VARIANT_MAX_BYTES;
    if (type == JSON_TRUE || type == JSON_FALSE) {
        str_add_text(out, type == JSON_TRUE ? "\"on\"" : "\"off\"");
    } else if (type == JSON_STRING && is_short) {
        str_add(out, value->data, value->len);
    } else if (type == JSON_NUMBER && is_short) {
        str_addf(out, "\"%.*s\"", (int)value->len, value->data);
    } else {
        add_hash(out, value);
    }
}

static void add_evaluation(const struct door_heads *heads, const struct flag *flag, struct str *out)
{
    AUTO_STR value = {0};
    add_value(heads, flag, &value);
    str_add_text(out, ",\"value\":");
    str_add(out, value.data, value.len);
    str_add_text(out, ",\"reason\":\"STATIC\",\"variant\":");
    add_variant(out, &value);
}

static void add_flag(const struct door_heads *heads, const struct flag *flag, struct str *out)
{
    const struct door_head *head = flag->own.len > 0 ? &heads->items[0] : shared_of(heads);
    enum json_type type = json_type_of(value_of(flag));
    str_add_text(out, "{\"key\":");
    str_add(out, flag->key.data, flag->key.len);
    if (type == JSON_ARRAY) {
        str_add_text(out, ",\"errorCode\":\"PARSE_ERROR\",\"errorDetails\":\"" FLAG_IS_ARRAY "\"}");
        return;
    }
    if (type == JSON_NULL) {
        str_add_text(out, ",\"reason\":\"DISABLED\",\"variant\":\"default\"");
    } else {
        add_evaluation(heads, flag, out);
    }
    json_add_text(out, ",\"metadata\":{\"environment\":", head->environment);
    str_add_text(out, "}}");
}

/* The member's value; of length 0: there is none. */
static struct json_text find(const struct door_head *head, const char *key)
{
    struct json_text value = {0};
    if (head != NULL && is_live(head)) {
        json_find(head->data, key, &value);
    }
    return value;
}

enum flag_outcome flag_add(const struct door_heads *heads, const char *key, struct str *out)
{
    AUTO_STR token = {0};
    struct flag flag = {.own = find(&heads->items[0], key), .shared = find(shared_of(heads), key)};
    if (value_of(&flag).len == 0) {
        return FLAG_UNKNOWN;
    }
    if (json_type_of(value_of(&flag)) == JSON_ARRAY) {
        return FLAG_NO_VALUE;
    }
    json_encode_string(&token, key, strlen(key));
    flag.key = (struct json_text){token.data, token.len};
    add_flag(heads, &flag, out);
    return FLAG_EVALUATED;
}

static void index_head(const struct door_head *head, struct json_index *ret_index)
{
    static const struct json_text no_members = {"{}", 2};
    json_index_init(ret_index, head != NULL && is_live(head) ? head->data : no_members);
}

void flags_add_all(const struct door_heads *heads, struct str *out)
{
    AUTO_JSON_INDEX own;
    AUTO_JSON_INDEX shared;
    const char *comma = "";
    index_head(&heads->items[0], &own);
    index_head(shared_of(heads), &shared);
    str_add_char(out, '[');
    for (size_t i = 0; i < own.n; i++) {
        struct json_entry *below = json_index_find(&shared, own.entries[i].key);
        struct flag flag = {.key = own.entries[i].key, .own = own.entries[i].value};
        if (below != NULL) {
            below->matched = true;
            flag.shared = below->value;
        }
        str_add_text(out, comma);
        add_flag(heads, &flag, out);
        comma = ",";
    }
    for (size_t i = 0; i < shared.n; i++) {
        const struct json_entry *entry = &shared.entries[i];
        if (!entry->matched) {
            const struct flag flag = {.key = entry->key, .shared = entry->value};
            str_add_text(out, comma);
            add_flag(heads, &flag, out);
            comma = ",";
        }
    }
    str_add_char(out, ']');
}
