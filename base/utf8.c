#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* The bytes that may follow each lead byte (RFC 3629, section 4). */
struct lead {
    uint8_t first, last;            /* lead bytes */
    uint8_t length;                 /* of the whole character */
    uint8_t second_min, second_max; /* the bytes behind the second are 80 to BF */
};

static const struct lead leads[] = {
    {0x00, 0x7F, 1, 0x00, 0x00}, {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF}, {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

static const struct lead *lead_of(uint8_t byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (byte >= leads[i].first && byte <= leads[i].last) {
            return &leads[i];
        }
    }
    return NULL;
}

size_t utf8_char_size(const char *bytes, size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
    const struct lead *lead = n == 0 ? NULL : lead_of(p[0]);
    if (lead == NULL || lead->length > n) {
        return 0;
    }
    if (lead->length > 1 && (p[1] < lead->second_min || p[1] > lead->second_max)) {
        return 0;
    }
    for (size_t i = 2; i < lead->length; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return lead->length;
}

size_t utf8_check(const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t size = utf8_char_size(bytes + at, n - at);
        if (size == 0) {
            return at;
        }
        at += size;
    }
    return n;
}

/* The offset of the first byte of well-formed text that a name must not hold; n where there is
 * none. */
static size_t find_forbidden(const char *name, size_t n)
{
    const uint8_t *p = (const uint8_t *)name;
    for (size_t i = 0; i < n; i++) {
        bool c0 = p[i] < 0x20 || p[i] == 0x7F;
        bool c1 = p[i] == 0xC2 && p[i + 1] < 0xA0; /* well-formed: a second byte is there */
        if (c0 || c1 || p[i] == '/') {
            return i;
        }
    }
    return n;
}

bool name_prefix_check(const char *name, size_t n, const char *field, struct status *st)
{
    if (n == 0) {
        return status_bad_field(st, field, "NAME_EMPTY", "%s is empty; 1 to %d bytes are needed",
                                field, NAME_MAX_BYTES);
    }
    if (n > NAME_MAX_BYTES) {
        status_bad_field(st, field, "NAME_TOO_LONG", "%s has %zu bytes, the limit is %d", field, n,
                         NAME_MAX_BYTES);
        status_add_number(st, "limit", NAME_MAX_BYTES);
        return false;
    }
    size_t bad = utf8_check(name, n);
    if (bad < n) {
        return status_bad_field(st, field, "NAME_NOT_UTF8", "%s is not UTF-8 at byte %zu", field,
                                bad);
    }
    bad = find_forbidden(name, n);
    if (bad < n) {
        return status_bad_field(st, field, "NAME_CHARACTER", "%s has a %s at byte %zu", field,
                                name[bad] == '/' ? "slash" : "control character", bad);
    }
    return true;
}

static bool is_dots(const char *name, size_t n)
{
    return n <= 2 && name[0] == '.' && name[n - 1] == '.';
}

bool name_check(const char *name, size_t n, const char *field, struct status *st)
{
    return name_prefix_check(name, n, field, st) &&
           (!is_dots(name, n) ||
            status_bad_field(st, field, "NAME_DOTS",
                             "%s is \"%.*s\", which stands for a folder in paths", field, (int)n,
                             name));
}

bool text_check(const char *text, size_t n, size_t max_bytes, const char *field, struct status *st)
{
    if (n > max_bytes) {
        status_bad_field(st, field, "TEXT_TOO_LONG", "%s has %zu bytes, the limit is %zu", field, n,
                         max_bytes);
        status_add_number(st, "limit", max_bytes);
        return false;
    }
    size_t bad = utf8_check(text, n);
    if (bad < n) {
        return status_bad_field(st, field, "TEXT_NOT_UTF8", "%s is not UTF-8 at byte %zu", field,
                                bad);
    }
    const char *nul = n == 0 ? NULL : memchr(text, '\0', n);
    if (nul != NULL) {
        return status_bad_field(st, field, "TEXT_NUL", "%s has a NUL at byte %zu", field,
                                (size_t)(nul - text));
    }
    return true;
}
