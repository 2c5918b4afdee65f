#include "json_parse.h"

#include <assert.h>
#include <ctype.h>
#include <jansson.h>

#include "utf8.h"

/* Indexed by jansson's error code; parsing returns no codes other than these. */
static const struct json_fault faults[] = {
    [json_error_invalid_utf8] = {"JSON_SYNTAX", "is not UTF-8", 0},
    [json_error_premature_end_of_input] = {"JSON_SYNTAX", "ends too early", 0},
    [json_error_end_of_input_expected] = {"JSON_SYNTAX", "goes on behind its value", 0},
    [json_error_invalid_syntax] = {"JSON_SYNTAX", "is not well-formed JSON", 0},
    [json_error_null_byte_in_key] = {"JSON_SYNTAX", "has a key with \\u0000", 0},
    [json_error_duplicate_key] = {"JSON_DUPLICATE_KEY", "has a key twice in one object", 0},
    [json_error_numeric_overflow] = {"JSON_NUMBER_RANGE",
                                     "has a number beyond 64-bit integers and doubles", 0},
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.';
}

/* jansson says how far it has read: behind the token that it refuses, or at the end. */
static size_t token_start(const char *text, size_t len, const json_error_t *error)
{
    if (json_error_code(error) == json_error_invalid_utf8) {
        return utf8_check(text, len);
    }
    size_t at = error->position < 0 ? 0 : (size_t)error->position;
    if (at == 0 || json_error_code(error) == json_error_premature_end_of_input) {
        return at < len ? at : len;
    }
    at = at > len ? len - 1 : at - 1;
    while (at > 0 && is_word(text[at]) && is_word(text[at - 1])) {
        at--;
    }
    return at;
}

bool json_parse_check(const char *text, size_t len, struct json_fault *ret_fault)
{
    json_error_t error;
    json_t *root =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (root != NULL) {
        json_decref(root);
        return true;
    }
    size_t code = (size_t)json_error_code(&error);
    assert(code < sizeof faults / sizeof faults[0] && faults[code].reason != NULL &&
           "parsing fails for the text's faults only");
    *ret_fault = faults[code];
    ret_fault->offset = token_start(text, len, &error);
    return false;
}
