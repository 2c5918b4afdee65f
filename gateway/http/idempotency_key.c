#include "idempotency_key.h"

#include <string.h>

#include "http_head.h"
#include "utf8.h"

#define HEADER "Idempotency-Key"
#define BLANKS " \t"

/* Appends the string that begins with this quote and returns its end; NULL: it is malformed. */
static const char *take_quoted(const char *at, struct str *out)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\') {
            at++;
            if (*at != '"' && *at != '\\') {
                return NULL;
            }
        }
        if (*at < ' ' || *at > '~') { /* the end of the value, too */
            return NULL;
        }
        str_add_char(out, *at);
    }
    return at + 1;
}

/* Appends the characters up to a blank or a semicolon; those of tokens, and : and /, as in tokens
 * of structured fields. */
static const char *take_bare(const char *at, struct str *out)
{
    while (http_is_token_char(*at) || *at == ':' || *at == '/') {
        str_add_char(out, *at++);
    }
    return at;
}

/* Parameters of the structured field, of which none is defined, are passed over. */
static bool is_end(const char *at)
{
    at += strspn(at, BLANKS);
    return *at == '\0' || *at == ';';
}

void idempotency_key_parse(const char *value, struct str *ret, struct invalid *invalid)
{
    struct status st;
    const char *at = value + strspn(value, BLANKS);
    const char *end = *at == '"' ? take_quoted(at, ret) : take_bare(at, ret);
    if (end == NULL || !is_end(end)) {
        invalid_add(invalid, "header", HEADER, FAULT_IDEMPOTENCY_KEY,
                    "Input should be one string in double quotes, of printable ASCII characters");
    } else if (ret->len == 0) {
        invalid_add(invalid, "header", HEADER, FAULT_IDEMPOTENCY_KEY,
                    "Input should have at least 1 character");
    } else if (!text_check(ret->data, ret->len, IDEMPOTENCY_KEY_MAX_BYTES, HEADER, &st)) {
        invalid_add_status(invalid, "header", HEADER, &st);
    }
}
