#include "secret_marks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json_pointer.h"
#include "regex.h"

/* The looks at subschemas together: references may lead in circles. */
#define STEPS_MAX 2000
/* Of all patterns together, in units of about 20 ns: what to compile one takes, and all matches. */
#define PATTERN_STEPS 200000
#define COMPILE_STEPS(bytes) (500 + 20 * (uint64_t)(bytes))

struct mark_walk {
    struct json_text root;
    unsigned steps;
    uint64_t pattern_steps; /* left */
};

static bool is_text(struct json_text value, const char *text)
{
    return value.len == strlen(text) + 2 && value.data[0] == '"' &&
           memcmp(value.data + 1, text, strlen(text)) == 0;
}

static bool member_of(struct json_text schema, const char *keyword, enum json_type type,
                      struct json_text *ret_value)
{
    return json_find(schema, keyword, ret_value) && json_type_of(*ret_value) == type;
}

static bool is_allowed_below(struct mark_walk *walk, struct json_text schema, const char *pointer);

/* "#/$defs/name". */
static bool follow_reference(struct mark_walk *walk, struct json_text schema, const char *pointer)
{
    struct json_text reference;
    struct json_text target;
    struct status st;
    AUTO_STR text = {0};
    if (!member_of(schema, "$ref", JSON_STRING, &reference)) {
        return false;
    }
    json_decode_string(reference, &text);
    return text.len > 0 && text.data[0] == '#' && strlen(text.data) == text.len &&
           json_pointer_check(text.data + 1, "$ref", &st) &&
           json_pointer_find(walk->root, text.data + 1, &target) &&
           is_allowed_below(walk, target, pointer);
}

static bool follow_combined(struct mark_walk *walk, struct json_text schema, const char *pointer)
{
    static const char *const keywords[] = {"allOf", "anyOf", "oneOf"};
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        struct json_text list;
        struct json_text item;
        size_t position = 0;
        if (!member_of(schema, keywords[i], JSON_ARRAY, &list)) {
            continue;
        }
        while (json_item(list, &position, &item)) {
            if (is_allowed_below(walk, item, pointer)) {
                return true;
            }
        }
    }
    return false;
}

static bool matches(struct mark_walk *walk, struct json_text pattern_token, struct json_text name)
{
    AUTO_STR pattern = {0};
    AUTO_STR fault = {0};
    AUTO(regex_free) struct regex *regex = NULL;
    json_decode_string(pattern_token, &pattern);
    const struct json_text text = {str_text(&pattern), pattern.len};
    uint64_t cost = COMPILE_STEPS(text.len);
    bool affordable = cost <= walk->pattern_steps;
    walk->pattern_steps -= affordable ? cost : walk->pattern_steps;
    return affordable && regex_compile(text, &regex, &fault) &&
           regex_match(regex, name, &walk->pattern_steps) == REGEX_MATCH;
}

/* patternProperties: every pattern that the name of the member matches. */
static bool follow_patterns(struct mark_walk *walk, struct json_text schema, struct json_text name,
                            const char *rest, bool *ret_matched)
{
    struct json_text patterns;
    struct json_text pattern;
    struct json_text next;
    size_t position = 0;
    bool allowed = false;
    *ret_matched = false;
    if (!member_of(schema, "patternProperties", JSON_OBJECT, &patterns)) {
        return false;
    }
    while (!allowed && json_member(patterns, &position, &pattern, &next)) {
        if (matches(walk, pattern, name)) {
            *ret_matched = true;
            allowed = is_allowed_below(walk, next, rest);
        }
    }
    return allowed;
}

/* The subschema for a member. is_matched: a pattern is for it, so it is no additional one. */
static bool find_property(struct json_text schema, const char *name, bool is_matched,
                          struct json_text *ret_next)
{
    struct json_text properties;
    return (member_of(schema, "properties", JSON_OBJECT, &properties) &&
            json_find(properties, name, ret_next)) ||
           (!is_matched && json_find(schema, "additionalProperties", ret_next));
}

static bool item_at(struct json_text list, uint64_t index, struct json_text *ret_item)
{
    size_t position = 0;
    for (uint64_t i = 0; json_item(list, &position, ret_item); i++) {
        if (i == index) {
            return true;
        }
    }
    return false;
}

/* The subschema for an item: prefixItems or draft 7's list of items, then items. */
static bool find_item(struct json_text schema, const char *token, struct json_text *ret_next)
{
    char *end;
    uint64_t index = strtoull(token, &end, 10);
    struct json_text list;
    if (end == token || *end != '\0') {
        return false;
    }
    bool has_list = member_of(schema, "prefixItems", JSON_ARRAY, &list) ||
                    member_of(schema, "items", JSON_ARRAY, &list);
    return (has_list && item_at(list, index, ret_next)) ||
           member_of(schema, "items", JSON_OBJECT, ret_next);
}

static bool follow_token(struct mark_walk *walk, struct json_text schema, const char *pointer)
{
    struct json_text next;
    AUTO_STR token = {0};
    if (pointer[0] == '\0') {
        return false;
    }
    const char *rest = json_pointer_token(pointer + 1, &token);
    const struct json_text name = {str_text(&token), token.len};
    bool is_matched;
    return follow_patterns(walk, schema, name, rest, &is_matched) ||
           (find_property(schema, name.data, is_matched, &next) &&
            is_allowed_below(walk, next, rest)) ||
           (find_item(schema, str_text(&token), &next) && is_allowed_below(walk, next, rest));
}

static bool is_allowed_below(struct mark_walk *walk, struct json_text schema, const char *pointer)
{
    struct json_text mark;
    if (json_type_of(schema) != JSON_OBJECT || ++walk->steps > STEPS_MAX) {
        return false;
    }
    return (json_find(schema, "x-confreg-secret", &mark) && is_text(mark, "allowed")) ||
           follow_reference(walk, schema, pointer) || follow_combined(walk, schema, pointer) ||
           follow_token(walk, schema, pointer);
}

bool secret_is_allowed(struct json_text schema, const char *pointer)
{
    struct mark_walk walk = {.root = schema, .pattern_steps = PATTERN_STEPS};
    return is_allowed_below(&walk, schema, pointer);
}
