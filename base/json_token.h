/* Tokens of a checked JSON text. Pure; any thread. */
#ifndef BASE_JSON_TOKEN_H
#define BASE_JSON_TOKEN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "json.h"

/* The highest bit of each of eight bytes up to the first that is zero: of that one it is set, of
 * those before it is not. 0: none is zero. */
static inline uint64_t json_zeros_of(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return (bytes - ones) & ~bytes & ones << 7;
}

/* The offset of the next quote or backslash, which is there. */
static inline size_t json_next_mark(struct json_text text, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (uint64_t bytes; at + sizeof bytes <= text.len; at += sizeof bytes) {
        memcpy(&bytes, text.data + at, sizeof bytes);
        bytes = le64toh(bytes);
        uint64_t found = json_zeros_of(bytes ^ ones * '"') | json_zeros_of(bytes ^ ones * '\\');
        if (found != 0) {
            return at + (size_t)__builtin_ctzll(found) / 8;
        }
    }
    while (text.data[at] != '"' && text.data[at] != '\\') {
        at++;
    }
    return at;
}

/* The offset behind the string that starts at `at`. ret_escaped: the string has a backslash.
 * Inline: values consist of short strings, whose search takes no longer than a call. */
static inline size_t json_string_end(struct json_text text, size_t at, bool *ret_escaped)
{
    size_t end = json_next_mark(text, at + 1);
    *ret_escaped = text.data[end] == '\\';
    while (text.data[end] == '\\') {
        end = json_next_mark(text, end + 2);
    }
    return end + 1;
}

#endif
