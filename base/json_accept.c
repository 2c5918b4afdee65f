#include "json_accept.h"

#include <stdint.h>
#include <string.h>

#include "json_scan.h"
#include "utf8.h"

#define MAX_MEMBERS 64
#define MAX_DIGITS 18 /* a number with this many digits fits 64 bits */

struct json_reader {
    const char *at;
    const char *end;
};

static bool accept_value(struct json_reader *r);

static void skip_blanks(struct json_reader *r)
{
    while (r->at < r->end && json_is_blank(*r->at)) {
        r->at++;
    }
}

static bool take(struct json_reader *r, char c)
{
    if (r->at == r->end || *r->at != c) {
        return false;
    }
    r->at++;
    return true;
}

static bool take_between_blanks(struct json_reader *r, char c)
{
    skip_blanks(r);
    bool taken = take(r, c);
    skip_blanks(r);
    return taken;
}

static bool accept_word(struct json_reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) {
        return false;
    }
    r->at += n;
    return true;
}

/* ---- Strings ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Accepts four hex digits if they are certainly neither U+0000 nor a surrogate. */
static bool accept_unicode(struct json_reader *r)
{
    const char *digits = r->at;
    if (r->end - digits < 4 || memcmp(digits, "0000", 4) == 0 || (digits[0] | 0x20) == 'd') {
        return false;
    }
    r->at += 4;
    return is_hex(digits[0]) && is_hex(digits[1]) && is_hex(digits[2]) && is_hex(digits[3]);
}

static bool accept_escape(struct json_reader *r)
{
    r->at++;
    if (r->at == r->end) {
        return false;
    }
    char c = *r->at++;
    return c == 'u' ? accept_unicode(r) : c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

static bool accept_wide(struct json_reader *r)
{
    size_t n = utf8_char_size(r->at, (size_t)(r->end - r->at));
    r->at += n;
    return n > 0;
}

static void skip_plain(struct json_reader *r)
{
    while (r->at < r->end && json_is_plain(*r->at)) {
        r->at++;
    }
}

static bool accept_string(struct json_reader *r)
{
    bool ok = take(r, '"');
    for (skip_plain(r); ok && r->at < r->end && *r->at != '"'; skip_plain(r)) {
        unsigned char c = (unsigned char)*r->at;
        ok = c == '\\' ? accept_escape(r) : c >= 0x80 && accept_wide(r);
    }
    return ok && take(r, '"');
}

/* ---- Numbers ---- */

static size_t skip_digits(struct json_reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - start);
}

static bool accept_number(struct json_reader *r)
{
    take(r, '-');
    bool zero = r->at < r->end && *r->at == '0';
    size_t whole = skip_digits(r);
    size_t fraction = 0;
    if (whole == 0 || (zero && whole > 1)) {
        return false;
    }
    if (take(r, '.') && (fraction = skip_digits(r)) == 0) {
        return false;
    }
    bool exponent = r->at < r->end && (*r->at | 0x20) == 'e';
    return whole + fraction <= MAX_DIGITS && !exponent;
}

/* ---- Objects and arrays ---- */

struct seen_key {
    const char *at;
    size_t n;
};

/* Accepts a key without escapes that differs from the n keys before it. */
static bool accept_key(struct json_reader *r, struct seen_key *keys, size_t n)
{
    const char *start = r->at;
    if (!accept_string(r)) {
        return false;
    }
    struct seen_key key = {start, (size_t)(r->at - start)};
    for (size_t i = 0; i < n; i++) {
        if (keys[i].n == key.n && memcmp(keys[i].at, key.at, key.n) == 0) {
            return false;
        }
    }
    keys[n] = key;
    return memchr(key.at, '\\', key.n) == NULL;
}

static bool accept_object(struct json_reader *r)
{
    struct seen_key keys[MAX_MEMBERS];
    size_t n = 0;
    r->at++;
    skip_blanks(r);
    if (take(r, '}')) {
        return true;
    }
    do {
        if (n == MAX_MEMBERS || !accept_key(r, keys, n++) || !take_between_blanks(r, ':') ||
            !accept_value(r)) {
            return false;
        }
    } while (take_between_blanks(r, ','));
    return take(r, '}');
}

static bool accept_array(struct json_reader *r)
{
    r->at++;
    skip_blanks(r);
    if (take(r, ']')) {
        return true;
    }
    do {
        if (!accept_value(r)) {
            return false;
        }
    } while (take_between_blanks(r, ','));
    return take(r, ']');
}

static bool accept_value(struct json_reader *r)
{
    switch (r->at == r->end ? '\0' : *r->at) {
    case '{':
        return accept_object(r);
    case '[':
        return accept_array(r);
    case '"':
        return accept_string(r);
    case 't':
        return accept_word(r, "true");
    case 'f':
        return accept_word(r, "false");
    case 'n':
        return accept_word(r, "null");
    default:
        return accept_number(r);
    }
}

bool json_accept(const char *text, size_t len)
{
    struct json_reader r = {text, text + len};
    skip_blanks(&r);
    bool ok = accept_value(&r);
    skip_blanks(&r);
    return ok && r.at == r.end;
}
