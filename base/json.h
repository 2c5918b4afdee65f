/* JSON texts: strict checking, comparing and splicing. Texts are cut and joined, never printed
 * again, so that numbers keep every digit and objects the order of their keys.
 *
 * json_check is the gate: it enforces RFC 8259 and the limits. All other functions take a text that
 * it has returned, or a value within such a text; only json_patch_* can fail. Text that is appended
 * to an `out` must not be part of out. Any thread; no state. Cannot be included together with
 * jansson.h.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "status.h"
#include "str.h"

struct json_text {
    const char *data; /* borrowed, not NUL-terminated */
    size_t len;
};

/* The deepest nesting under any limits, because functions recurse. It leaves room for a payload of
 * 64 levels inside the body of a request. */
#define JSON_DEPTH_MAX 128

struct json_limits {
    size_t max_bytes; /* of the text without insignificant white space */
    size_t
        max_depth; /* nested arrays and objects; the outermost is level 1; up to JSON_DEPTH_MAX */
};

/* Checks that text is one JSON object under RFC 8259 and the limits: UTF-8 without BOM, no
 * duplicate keys, no lone surrogates, no \u0000 in a key, integers within a signed 64-bit integer,
 * other numbers within a double, depth, size; and returns it without insignificant white space,
 * otherwise byte for byte, as a new buf. text may be NULL where len is 0.
 *
 * On refusal st is INVALID_ARGUMENT with `field` as given and a reason out of JSON_SYNTAX,
 * JSON_NOT_OBJECT, JSON_DUPLICATE_KEY, JSON_DEPTH, JSON_NUMBER_RANGE, or RESOURCE_EXHAUSTED with
 * JSON_TOO_LARGE. Size comes first, then depth, both before memory is taken. The message says where
 * (byte offset) or the limit and what was found; for size and depth the info has "limit" and
 * "found", too. How much white space there may be is for the caller to bound. */
bool json_check(const char *text, size_t len, const struct json_limits *limits, const char *field,
                struct buf **ret_json, struct status *st);

/* The same gate for any JSON value rather than an object (merge patches, request bodies), and where
 * ret_offset is not NULL the byte offset of the fault. */
bool json_check_value(const char *text, size_t len, const struct json_limits *limits,
                      const char *field, size_t *ret_offset, struct buf **ret_json,
                      struct status *st);

enum json_type {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};
enum json_type json_type_of(struct json_text value);

/* Walks the members of an object in order: start with *position 0. key is the raw token with its
 * quotes, value the value's text. false at the end. */
bool json_member(struct json_text object, size_t *position, struct json_text *ret_key,
                 struct json_text *ret_value);
/* Walks the items of an array likewise. */
bool json_item(struct json_text array, size_t *position, struct json_text *ret_value);
/* The value of a member by its decoded key; false where there is none. */
bool json_find(struct json_text object, const char *key, struct json_text *ret_value);

/* Decodes a string token (quotes, escapes) to UTF-8 at the end of out. NULs from \u0000 stay. */
void json_decode_string(struct json_text token, struct str *out);
/* Appends bytes of UTF-8 as a string token; what is not UTF-8 becomes U+FFFD. */
void json_encode_string(struct str *out, const char *bytes, size_t n);
/* Appends `before` as it is, such as "\"name\":", then a NUL-terminated text as a string token. */
void json_add_text(struct str *out, const char *before, const char *text);

/* Equality of JSON values: numbers as decimal values of any length (1 == 1.0, nothing is rounded),
 * strings after decoding, objects without order, true is not 1. */
bool json_text_equal(struct json_text a, struct json_text b);

/* Top-level difference of two objects. Spans point into the given texts. */
struct json_change {
    enum json_change_kind { JSON_ADDED, JSON_REMOVED, JSON_CHANGED } kind;
    struct json_text key; /* raw token with quotes, as the old object spells it if it has it */
    struct json_text old_value; /* empty for JSON_ADDED */
    struct json_text new_value; /* empty for JSON_REMOVED */
};
struct json_diff {
    struct json_change *changes; /* removed and changed in old order, then added in new order */
    size_t n;
};
void json_diff_objects(struct json_text old_object, struct json_text new_object,
                       struct json_diff *ret_diff);
void json_diff_fini(struct json_diff *diff);

/* ---- JSON Patch (RFC 6902) ---- */

#define JSON_PATCH_MAX_OPERATIONS 10000
/* json_patch_between may exceed the size of the new value by this many bytes, and its depth by 2.
 */
#define JSON_PATCH_EXTRA_BYTES ((size_t)65 * 1024)
#define JSON_PATCH_EXTRA_DEPTH 2

/* A patch that makes new out of old, as JSON text at the end of out: "[]" where equal. Works on
 * objects deeply; on arrays item by item, then removes from the end or adds there. One that would
 * be longer than both 64 KiB and new_value, or have more than JSON_PATCH_MAX_OPERATIONS, is a
 * single replacement of the whole. json_patch_apply accepts it under the limits that new_value
 * meets. */
void json_patch_between(struct json_text old_value, struct json_text new_value, struct str *out);

/* Checks that a value is a patch: an array of at most JSON_PATCH_MAX_OPERATIONS, each with the
 * members that it needs and well-formed pointers (RFC 6901) of at most JSON_DEPTH_MAX steps.
 * Members that an operation has no use for are ignored, as the RFC demands. INVALID_ARGUMENT
 * PATCH_SYNTAX, RESOURCE_EXHAUSTED PATCH_OPERATIONS. */
bool json_patch_check(struct json_text patch, const char *field, struct status *st);

/* Applies a patch that json_patch_check accepts; returns the result as json_check does, whose
 * refusals are passed on. Members keep their order and spelling; new ones come last. `test`
 * compares as json_text_equal does.
 *
 * ABORTED PATCH_TEST_FAILED: a `test` found another value. INVALID_ARGUMENT PATCH_PATH: there is
 * nothing at a path, or nothing can be put there, or a value is moved into itself, or the whole is
 * removed. RESOURCE_EXHAUSTED PATCH_WORK: applying the patch would take too much time or memory;
 * JSON_TOO_LARGE: a value on the way has more than limits->max_bytes.
 *
 * Those that come from an operation have its number from 0 and its pointer in the message and as
 * infos "operation" and "pointer". */
bool json_patch_apply(struct json_text target, struct json_text patch,
                      const struct json_limits *limits, const char *field, struct buf **ret_json,
                      struct status *st);

/* RFC 7396: target with patch applied, at the end of out. Members keep target's order and spelling;
 * new ones follow in patch's order. Duplicate-free because its inputs are. */
void json_merge(struct json_text target, struct json_text patch, struct str *out);

static inline struct json_text json_of_buf(const struct buf *b)
{
    return (struct json_text){(const char *)b->data, b->len};
}

#endif
