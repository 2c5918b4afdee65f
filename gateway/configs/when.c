#include "when.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)
#define FIRST_US (INT64_C(-62135596800) * US_PER_SECOND)
#define LAST_US (INT64_C(253402300799) * US_PER_SECOND + US_PER_SECOND - 1)

/* Reads n digits and what follows them; returns the rest. NULL: something else is there. */
static const char *read_digits(const char *at, size_t n, const char *follow, int *ret_value)
{
    if (at == NULL || strspn(at, "0123456789") < n) {
        return NULL;
    }
    *ret_value = 0;
    for (size_t i = 0; i < n; i++) {
        *ret_value = *ret_value * 10 + (at[i] - '0');
    }
    at += n;
    return strncmp(at, follow, strlen(follow)) == 0 ? at + strlen(follow) : NULL;
}

/* A fraction is cut to microseconds. */
static const char *read_fraction(const char *at, int64_t *ret_us)
{
    int64_t unit = US_PER_SECOND / 10;
    *ret_us = 0;
    if (at == NULL || *at != '.') {
        return at;
    }
    size_t n = strspn(++at, "0123456789");
    for (size_t i = 0; i < n; i++, unit /= 10) {
        *ret_us += (at[i] - '0') * unit;
    }
    return n == 0 ? NULL : at + n;
}

static bool read_offset(const char *at, int64_t *ret_us)
{
    int hours = 0;
    int minutes = 0;
    *ret_us = 0;
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0) {
        return true;
    }
    int sign = *at == '-' ? -1 : 1;
    bool is_signed = *at == '-' || *at == '+' || *at == ' ';
    const char *end = read_digits(is_signed ? at + 1 : NULL, 2, ":", &hours);
    end = read_digits(end, 2, "", &minutes);
    *ret_us = sign * (hours * 60 + minutes) * 60 * US_PER_SECOND;
    return end != NULL && *end == '\0' && hours < 24 && minutes < 60;
}

static bool read_date(const char *text, int64_t *ret_us)
{
    struct tm tm = {0};
    int64_t fraction_us = 0;
    int64_t offset_us = 0;
    int year = 0;
    int month = 0;
    const char *at = read_digits(text, 4, "-", &year);
    at = read_digits(at, 2, "-", &month);
    at = read_digits(at, 2, "", &tm.tm_mday);
    at = at != NULL && (*at == 'T' || *at == 't' || *at == ' ') ? at + 1 : NULL;
    at = read_digits(at, 2, ":", &tm.tm_hour);
    at = read_digits(at, 2, ":", &tm.tm_min);
    at = read_digits(at, 2, "", &tm.tm_sec);
    at = read_fraction(at, &fraction_us);
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    struct tm wanted = tm;
    bool ok = at != NULL && read_offset(at, &offset_us) && tm.tm_sec < 60;
    int64_t seconds = ok ? timegm(&tm) : 0;
    /* timegm turns a 31st of June into a 1st of July. */
    ok = ok && tm.tm_mday == wanted.tm_mday && tm.tm_mon == wanted.tm_mon &&
         tm.tm_hour == wanted.tm_hour && tm.tm_min == wanted.tm_min;
    *ret_us = ok ? seconds * US_PER_SECOND + fraction_us - offset_us : 0;
    return ok;
}

static bool read_ago(const char *text, int64_t now_us, int64_t *ret_us)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 9 || text[n] == '\0' || text[n + 1] != '\0') {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == text[n]) {
            int64_t ago_us;
            return !__builtin_mul_overflow(strtol(text, NULL, 10), units[i].seconds * US_PER_SECOND,
                                           &ago_us) &&
                   !__builtin_sub_overflow(now_us, ago_us, ret_us);
        }
    }
    return false;
}

bool when_parse(const char *text, int64_t now_us, int64_t *ret_us)
{
    bool ok = text[0] == '-' ? read_ago(text + 1, now_us, ret_us) : read_date(text, ret_us);
    return ok && *ret_us >= FIRST_US && *ret_us <= LAST_US;
}
