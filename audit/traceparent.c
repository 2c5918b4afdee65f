#include "traceparent.h"

#include <string.h>

#define LENGTH (TRACEPARENT_SIZE - 1)

/* Where the fields stand; between them are dashes. */
enum { VERSION = 0, TRACE = 3, PARENT = 36, FLAGS = 53 };

static bool is_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (!digit) {
            return false;
        }
    }
    return true;
}

static bool is_id(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '0') {
            return is_digits(text, n);
        }
    }
    return false;
}

/* Whether what stands behind the flags fits the version. */
static bool ends_well(const char *value, size_t n)
{
    bool is_first = memcmp(value, "00", 2) == 0;
    return n == LENGTH || (!is_first && value[LENGTH] == '-' && memchr(value, ',', n) == NULL);
}

bool traceparent_parse(const char *value, size_t n, char ret[TRACEPARENT_SIZE])
{
    ret[0] = '\0';
    if (n < LENGTH || value[TRACE - 1] != '-' || value[PARENT - 1] != '-' ||
        value[FLAGS - 1] != '-' || !is_digits(value + VERSION, 2) || memcmp(value, "ff", 2) == 0 ||
        !is_id(value + TRACE, PARENT - 1 - TRACE) || !is_id(value + PARENT, FLAGS - 1 - PARENT) ||
        !is_digits(value + FLAGS, 2) || !ends_well(value, n)) {
        return false;
    }
    memcpy(ret, value, LENGTH);
    memcpy(ret, "00", 2);
    ret[LENGTH] = '\0';
    return true;
}
