#include "percent.h"

#include <string.h>

int hex_digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that "%XX" at text stands for, or -1. */
static int encoded_byte(const char *text, size_t n)
{
    if (n < 3 || text[0] != '%') {
        return -1;
    }
    int high = hex_digit_value(text[1]);
    int low = hex_digit_value(text[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

void percent_decode(const char *text, size_t n, bool plus_is_blank, struct str *out)
{
    char other = plus_is_blank ? '+' : '%';
    for (size_t i = 0; i < n;) {
        size_t plain = 0;
        while (i + plain < n && text[i + plain] != '%' && text[i + plain] != other) {
            plain++;
        }
        str_add(out, text + i, plain);
        i += plain;
        int byte = encoded_byte(text + i, n - i);
        if (byte >= 0) {
            str_add_char(out, (char)byte);
            i += 3;
        } else if (i < n) {
            str_add_char(out, text[i] == '+' ? ' ' : text[i]);
            i++;
        }
    }
}

/* RFC 3986, section 2.3; the C library's classes would follow the locale. */
static bool is_unreserved(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void percent_encode(const char *bytes, size_t n, struct str *out)
{
    for (size_t i = 0; i < n; i++) {
        if (is_unreserved(bytes[i])) {
            str_add_char(out, bytes[i]);
        } else {
            str_addf(out, "%%%02X", (unsigned char)bytes[i]);
        }
    }
}

/* Like memchr, but returns end if c is not found. */
static const char *find_or_end(const char *from, const char *end, char c)
{
    const char *found = from == end ? NULL : memchr(from, c, (size_t)(end - from));
    return found == NULL ? end : found;
}

bool query_next(const char *query, size_t n, size_t *position, struct query_parameter *ret)
{
    while (*position < n && query[*position] == '&') {
        ++*position;
    }
    if (*position >= n) {
        return false;
    }
    const char *name = query + *position;
    const char *end = find_or_end(name, query + n, '&');
    const char *equals = find_or_end(name, end, '=');
    const char *value = equals == end ? end : equals + 1;
    *ret = (struct query_parameter){name, value, (size_t)(equals - name), (size_t)(end - value)};
    *position = (size_t)(end - query);
    return true;
}
