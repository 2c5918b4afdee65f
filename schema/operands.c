#include <string.h>

#include "compiler.h"
#include "json_number.h"

/* Where and of what an operand is. */
struct operand_at {
    struct compiler *c;
    uint32_t document, node;
    const struct flat_json *tree;
};

static enum json_type type_of(const struct operand_at *o)
{
    return o->tree->nodes[o->node].type;
}

static bool must(const struct operand_at *o, bool holds, const char *what)
{
    return holds || compiler_fault(o->c, o->document, o->node, "must be %s", what);
}

static struct operand_at child_of(const struct operand_at *o, uint32_t node)
{
    struct operand_at child = *o;
    child.node = node;
    return child;
}

typedef bool check(const struct operand_at *o);

/* Checks every item of an array, or every value of an object. */
static bool each(const struct operand_at *o, check *item)
{
    const struct flat_node *nodes = o->tree->nodes;
    bool is_object = nodes[o->node].type == JSON_OBJECT;
    bool ok = true;
    for (uint32_t at = o->node + 1; at < nodes[o->node].end; at = nodes[at].end) {
        at += is_object ? 1 : 0;
        struct operand_at child = child_of(o, at);
        ok = item(&child) && ok;
    }
    return ok;
}

static bool check_any(const struct operand_at *o)
{
    (void)o;
    return true;
}

static bool check_string(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_STRING, "a string");
}

/* A URI without fragment, or with an empty one. */
static bool check_id(const struct operand_at *o)
{
    AUTO_STR room = {0};
    if (!check_string(o)) {
        return false;
    }
    struct json_text uri = flat_json_string(o->tree, o->node, &room);
    const char *mark = memchr(uri.data, '#', uri.len);
    return must(o, mark == NULL || mark + 1 == uri.data + uri.len, "a URI without fragment");
}

static bool is_anchor_char(char c, bool first)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return letter || c == '_' || (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static bool check_anchor(const struct operand_at *o)
{
    AUTO_STR room = {0};
    if (!check_string(o)) {
        return false;
    }
    struct json_text name = flat_json_string(o->tree, o->node, &room);
    bool fits = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        fits = fits && is_anchor_char(name.data[i], i == 0);
    }
    return must(o, fits, "a name of letters, digits, \"-\", \"_\" and \".\"");
}

static bool check_boolean(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_TRUE || type_of(o) == JSON_FALSE, "true or false");
}

static bool check_number(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_NUMBER, "a number");
}

static bool check_count(const struct operand_at *o)
{
    uint64_t count;
    return must(o,
                type_of(o) == JSON_NUMBER &&
                    json_number_to_count(flat_json_text(o->tree, o->node), &count),
                "an integer from 0 on");
}

static bool check_positive(const struct operand_at *o)
{
    const struct json_text zero = {"0", 1};
    if (!check_number(o)) {
        return false;
    }
    struct json_text number = flat_json_text(o->tree, o->node);
    return must(o, json_number_compare(number, zero) > 0, "more than 0") &&
           must(o, json_number_digits(number) <= JSON_DIVISOR_DIGITS,
                "a number of at most 18 significant digits");
}

static bool check_type(const struct operand_at *o)
{
    static const char *const types[] = {"array",  "boolean", "integer", "null",
                                        "number", "object",  "string"};
    bool fits = false;
    for (size_t i = 0; i < COUNT_OF(types) && type_of(o) == JSON_STRING; i++) {
        fits = fits || flat_json_is(o->tree, o->node, types[i], strlen(types[i]));
    }
    return must(o, fits, "one of array, boolean, integer, null, number, object, string");
}

static bool check_list(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_ARRAY, "an array");
}

static bool check_types(const struct operand_at *o)
{
    if (type_of(o) != JSON_ARRAY) {
        return check_type(o);
    }
    return must(o, o->tree->nodes[o->node].n > 0, "an array that is not empty") &&
           each(o, check_type);
}

static bool check_strings(const struct operand_at *o)
{
    return check_list(o) && each(o, check_string);
}

static bool check_map(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_OBJECT, "an object");
}

static bool check_booleans_by_name(const struct operand_at *o)
{
    return check_map(o) && each(o, check_boolean);
}

static bool check_schema(const struct operand_at *o)
{
    return must(o, type_of(o) == JSON_OBJECT || type_of(o) == JSON_TRUE || type_of(o) == JSON_FALSE,
                "a schema: an object, true or false");
}

static bool check_schemas(const struct operand_at *o)
{
    return check_list(o) && must(o, o->tree->nodes[o->node].n > 0, "an array that is not empty") &&
           each(o, check_schema);
}

/* An empty list is allowed here: it says nothing. */
static bool check_schema_or_schemas(const struct operand_at *o)
{
    return type_of(o) == JSON_ARRAY ? each(o, check_schema) : check_schema(o);
}

static bool check_schemas_by_name(const struct operand_at *o)
{
    return check_map(o) && each(o, check_schema);
}

static bool check_strings_by_name(const struct operand_at *o)
{
    return check_map(o) && each(o, check_strings);
}

static bool check_dependency(const struct operand_at *o)
{
    return type_of(o) == JSON_ARRAY ? check_strings(o) : check_schema(o);
}

static bool check_dependencies(const struct operand_at *o)
{
    return check_map(o) && each(o, check_dependency);
}

bool operands_check(struct compiler *c, uint32_t document, uint32_t node, enum operand operand)
{
    static check *const checks[OPERANDS] = {
        [OPERAND_ANY] = check_any,
        [OPERAND_STRING] = check_string,
        [OPERAND_URI] = check_string,
        [OPERAND_ID] = check_id,
        [OPERAND_ANCHOR] = check_anchor,
        [OPERAND_BOOLEAN] = check_boolean,
        [OPERAND_COUNT] = check_count,
        [OPERAND_NUMBER] = check_number,
        [OPERAND_POSITIVE] = check_positive,
        [OPERAND_REGEX] = check_string,
        [OPERAND_TYPES] = check_types,
        [OPERAND_LIST] = check_list,
        [OPERAND_STRINGS] = check_strings,
        [OPERAND_BOOLEANS_BY_URI] = check_booleans_by_name,
        [OPERAND_SCHEMA] = check_schema,
        [OPERAND_SCHEMAS] = check_schemas,
        [OPERAND_SCHEMA_OR_SCHEMAS] = check_schema_or_schemas,
        [OPERAND_SCHEMAS_BY_NAME] = check_schemas_by_name,
        [OPERAND_SCHEMAS_BY_REGEX] = check_schemas_by_name,
        [OPERAND_STRINGS_BY_NAME] = check_strings_by_name,
        [OPERAND_DEPENDENCIES] = check_dependencies,
    };
    struct operand_at o = {c, document, node, compiler_tree(c, document)};
    return checks[operand](&o);
}
