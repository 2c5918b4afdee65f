#include <assert.h>
#include <string.h>

#include "json.h"
#include "json_accept.h"
#include "json_parse.h"
#include "json_scan.h"

/* The result of one pass over any text, without allocating memory. */
struct survey {
    size_t significant; /* bytes that are not white space between tokens */
    size_t depth;
    size_t too_deep_at; /* offset at which max_depth is exceeded */
};

static struct survey survey_text(const char *text, size_t len, size_t max_depth)
{
    struct survey s = {0};
    size_t depth = 0;
    for (size_t at = 0; at < len;) {
        char c = text[at];
        size_t next = c == '"' ? json_skip_string(text, len, at) : at + 1;
        s.significant += json_is_blank(c) ? 0 : next - at;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
        if (depth > s.depth) {
            s.depth = depth;
            s.too_deep_at = depth == max_depth + 1 ? at : s.too_deep_at;
        }
        at = next;
    }
    return s;
}

static bool refuse_size(size_t found, size_t limit, const char *field, struct status *st)
{
    status_bad_field(st, field, "JSON_TOO_LARGE",
                     "%s has %zu bytes without white space, the limit is %zu", field, found, limit);
    st->code = STATUS_RESOURCE_EXHAUSTED;
    status_add_number(st, "limit", limit);
    status_add_number(st, "found", found);
    return false;
}

static bool refuse_depth(const struct survey *s, size_t limit, const char *field, struct status *st)
{
    status_bad_field(st, field, "JSON_DEPTH",
                     "%s nests %zu levels deep, the limit is %zu (passed at byte %zu)", field,
                     s->depth, limit, s->too_deep_at);
    status_add_number(st, "limit", limit);
    status_add_number(st, "found", s->depth);
    return false;
}

static bool find_fault(const char *text, size_t len, struct json_fault *ret_fault)
{
    if (json_accept(text, len)) {
        return false;
    }
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        *ret_fault = (struct json_fault){"JSON_SYNTAX", "starts with a byte order mark", 0};
        return true;
    }
    const char *nul = memchr(text, '\0', len);
    if (nul != NULL) { /* jansson skips a NUL byte after a number or a word */
        *ret_fault = (struct json_fault){"JSON_SYNTAX", "has a NUL byte", (size_t)(nul - text)};
        return true;
    }
    return !json_parse_check(text, len, ret_fault);
}

static struct buf *minify(const char *text, size_t len, size_t significant)
{
    struct buf *b = buf_new(significant);
    uint8_t *to = b->data;
    for (size_t at = 0; at < len;) {
        size_t next = text[at] == '"' ? json_skip_string(text, len, at) : at + 1;
        if (!json_is_blank(text[at])) {
            memcpy(to, text + at, next - at);
            to += next - at;
        }
        at = next;
    }
    assert(to == b->data + significant && "counted and copied by the same rule");
    return b;
}

bool json_check_value(const char *text, size_t len, const struct json_limits *limits,
                      const char *field, size_t *ret_offset, struct buf **ret_json,
                      struct status *st)
{
    assert(limits->max_depth <= JSON_DEPTH_MAX && "walkers recurse");
    const char *given = len == 0 ? "" : text;
    struct survey survey = survey_text(given, len, limits->max_depth);
    size_t unused;
    size_t *offset = ret_offset == NULL ? &unused : ret_offset;
    if (survey.significant > limits->max_bytes) {
        *offset = len;
        return refuse_size(survey.significant, limits->max_bytes, field, st);
    }
    if (survey.depth > limits->max_depth) {
        *offset = survey.too_deep_at;
        return refuse_depth(&survey, limits->max_depth, field, st);
    }
    struct json_fault fault;
    if (find_fault(given, len, &fault)) {
        *offset = fault.offset;
        return status_bad_field(st, field, fault.reason, "%s %s at byte %zu", field, fault.what,
                                fault.offset);
    }
    *ret_json = minify(given, len, survey.significant);
    return true;
}

bool json_check(const char *text, size_t len, const struct json_limits *limits, const char *field,
                struct buf **ret_json, struct status *st)
{
    static const char *const names[] = {
        [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_NUMBER] = "a number",
        [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null",
    };
    AUTO(buf_unref) struct buf *json = NULL;
    if (!json_check_value(text, len, limits, field, NULL, &json, st)) {
        return false;
    }
    enum json_type type = json_type_of(json_of_buf(json));
    if (type != JSON_OBJECT) {
        return status_bad_field(st, field, "JSON_NOT_OBJECT", "%s is %s, not an object", field,
                                names[type]);
    }
    *ret_json = MOVE(json);
    return true;
}
