/* How deep a JSON value nests; scalars are 0. */
#ifndef TESTS_JSON_DEPTH_H
#define TESTS_JSON_DEPTH_H

#include "json.h"
#include "json_scan.h"

static inline size_t json_depth(struct json_text value)
{
    size_t depth = 0;
    size_t deepest = 0;
    for (size_t at = 0; at < value.len;) {
        char c = value.data[at];
        if (c == '"') {
            at = json_skip_string(value.data, value.len, at);
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

#endif
