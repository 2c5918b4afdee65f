#include "prefer.h"

#include <string.h>
#include <strings.h>

#include "http_head.h"

#define BLANKS " \t"

static size_t token_length(const char *text)
{
    size_t n = 0;
    while (http_is_token_char(text[n])) {
        n++;
    }
    return n;
}

/* Appends the quoted string that begins here and returns its end. One without a closing quote
 * appends nothing and extends to the end of the text. */
static const char *take_quoted(const char *at, struct str *out)
{
    size_t before = out->len;
    for (at++; *at != '\0' && *at != '"'; at++) {
        at += *at == '\\' && at[1] != '\0';
        str_add_char(out, *at);
    }
    if (*at == '\0') {
        str_truncate(out, before);
        return at;
    }
    return at + 1;
}

/* Appends the token or quoted string that begins here. */
static void take_word(const char *at, struct str *out)
{
    if (*at == '"') {
        take_quoted(at, out);
    } else {
        str_add(out, at, token_length(at));
    }
}

static const char *skip_to_comma(const char *at)
{
    AUTO_STR skipped = {0};
    while (*at != '\0' && *at != ',') {
        at = *at == '"' ? take_quoted(at, &skipped) : at + 1;
    }
    return at;
}

bool prefer_find(const char *prefer, const char *name, struct str *ret_value)
{
    const char *at = prefer;
    while (*(at += strspn(at, BLANKS ",")) != '\0') {
        size_t n = token_length(at);
        bool found = n == strlen(name) && strncasecmp(at, name, n) == 0;
        at += n + strspn(at + n, BLANKS);
        if (found && *at == '=') {
            at++;
            take_word(at + strspn(at, BLANKS), ret_value);
        }
        if (found) {
            return true;
        }
        at = skip_to_comma(at);
    }
    return false;
}
