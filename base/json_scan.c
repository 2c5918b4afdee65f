#include "json_scan.h"

#include <assert.h>
#include <string.h>

/* The offset of the next such byte; len where there is none. */
static size_t find(const char *text, size_t len, size_t at, char byte)
{
    const char *found = at < len ? memchr(text + at, byte, len - at) : NULL;
    return found == NULL ? len : (size_t)(found - text);
}

size_t json_skip_string(const char *text, size_t len, size_t at)
{
    assert(at < len && text[at] == '"' && "a string begins with a quote");
    at++;
    for (size_t quote = find(text, len, at, '"');;) {
        size_t backslash = find(text, quote, at, '\\');
        if (backslash == quote) {
            return quote == len ? len : quote + 1;
        }
        at = backslash + 2;
        if (at > quote) { /* that quote was escaped */
            quote = find(text, len, at, '"');
        }
    }
}

static size_t skip_container(struct json_text t, size_t at)
{
    size_t depth = 0;
    while (at < t.len) {
        char c = t.data[at];
        if (c == '"') {
            at = json_skip_string(t.data, t.len, at);
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            break;
        }
    }
    return at;
}

static size_t skip_scalar(struct json_text t, size_t at)
{
    while (at < t.len && t.data[at] != ',' && t.data[at] != '}' && t.data[at] != ']') {
        at++;
    }
    return at;
}

/* The value that starts at *at, which moves behind it. */
static struct json_text take_value(struct json_text t, size_t *at)
{
    size_t start = *at;
    assert(start < t.len && "a checked text has a value here");
    char c = t.data[start];
    *at = c == '"'               ? json_skip_string(t.data, t.len, start)
          : c == '{' || c == '[' ? skip_container(t, start)
                                 : skip_scalar(t, start);
    return (struct json_text){t.data + start, *at - start};
}

enum json_type json_type_of(struct json_text value)
{
    assert(value.len > 0 && "a value is never empty");
    switch (value.data[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* Moves *position to the next part of a container; false where there is none. */
static bool next_part(struct json_text container, char opening, size_t *position)
{
    assert(container.len >= 2 && container.data[0] == opening &&
           "the container that was asked for");
    size_t at = *position == 0 ? 1 : *position;
    if (at >= container.len - 1) {
        return false;
    }
    *position = container.data[at] == ',' ? at + 1 : at;
    return true;
}

bool json_member(struct json_text object, size_t *position, struct json_text *ret_key,
                 struct json_text *ret_value)
{
    if (!next_part(object, '{', position)) {
        return false;
    }
    *ret_key = take_value(object, position);
    ++*position; /* the colon */
    *ret_value = take_value(object, position);
    return true;
}

bool json_item(struct json_text array, size_t *position, struct json_text *ret_value)
{
    if (!next_part(array, '[', position)) {
        return false;
    }
    *ret_value = take_value(array, position);
    return true;
}
