#include "coercion.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

static double read_double(const char *text, char **ret_end)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    return strtod_l(text, ret_end, c_locale);
}

double coercion_strtod(const char *text)
{
    return read_double(text, NULL);
}

bool coercion_to_integer(double number, int64_t *ret_integer)
{
    /* 2^63 is a double, the largest int64_t is none. */
    if (!(number >= -0x1p63 && number < 0x1p63)) {
        return false;
    }
    *ret_integer = (int64_t)number;
    return true;
}

/* ---- Texts of numbers ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Copies a string without white space around it and without '_' between two digits. False: another
 * '_', or a NUL. */
static bool clean(const struct setting *setting, struct str *out)
{
    const char *from = setting->string;
    const char *to = from + setting->n_string;
    while (from < to && is_blank(*from)) {
        from++;
    }
    while (from < to && is_blank(to[-1])) {
        to--;
    }
    for (const char *at = from; at < to; at++) {
        if (*at == '\0') {
            return false;
        }
        if (*at != '_') {
            str_add_char(out, *at);
        } else if (at == from || at + 1 == to || !is_digit(at[-1]) || !is_digit(at[1])) {
            return false;
        }
    }
    return out->len > 0;
}

static int64_t string_to_int64(const struct setting *setting, int64_t fallback)
{
    AUTO_STR text = {0};
    if (!clean(setting, &text)) {
        return fallback;
    }
    const char *digits = text.data + (text.data[0] == '-' || text.data[0] == '+');
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || digits[n] != '\0') {
        return fallback;
    }
    bool is_negative = text.data[0] == '-';
    uint64_t most = (uint64_t)INT64_MAX + is_negative;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');
        if (value > (most - digit) / 10) {
            return fallback;
        }
        value = value * 10 + digit;
    }
    return is_negative ? (int64_t)-value : (int64_t)value;
}

/* strtod takes hexadecimal digits and "nan(…)", too; those are no numbers here. */
static bool read_number(const char *text, double *ret_number, const char **ret_end)
{
    const char *digits = text + (*text == '-' || *text == '+');
    bool is_word = isalpha((unsigned char)*digits) != 0;
    if ((digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) ||
        (!is_word && !is_digit(digits[0]) && !(digits[0] == '.' && is_digit(digits[1])))) {
        return false;
    }
    char *end;
    *ret_number = read_double(text, &end);
    *ret_end = end;
    return end != text && end[-1] != ')';
}

static double string_to_double(const struct setting *setting, double fallback)
{
    AUTO_STR text = {0};
    double number;
    const char *end;
    return clean(setting, &text) && read_number(text.data, &number, &end) && *end == '\0'
               ? number
               : fallback;
}

/* ---- Types ---- */

static bool is_true_word(const struct setting *setting)
{
    static const char *const words[] = {"true", "1", "yes", "on"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (setting->n_string == strlen(words[i]) && strcasecmp(setting->string, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool setting_to_bool(const struct setting *setting, bool fallback)
{
    if (setting == NULL) {
        return fallback;
    }
    switch (setting->type) {
    case JSON_STRING:
        return is_true_word(setting);
    case JSON_NUMBER:
        return setting->number != 0;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return setting->n_children > 0;
    case JSON_TRUE:
        return true;
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return false;
}

int64_t setting_to_int64(const struct setting *setting, int64_t fallback)
{
    if (setting == NULL) {
        return fallback;
    }
    switch (setting->type) {
    case JSON_NUMBER:
        return setting->fits_integer ? setting->integer : fallback;
    case JSON_STRING:
        return string_to_int64(setting, fallback);
    case JSON_TRUE:
        return 1;
    case JSON_FALSE:
        return 0;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NULL:
        break;
    }
    return fallback;
}

double setting_to_double(const struct setting *setting, double fallback)
{
    if (setting == NULL) {
        return fallback;
    }
    switch (setting->type) {
    case JSON_NUMBER:
        return setting->number;
    case JSON_STRING:
        return string_to_double(setting, fallback);
    case JSON_TRUE:
        return 1;
    case JSON_FALSE:
        return 0;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NULL:
        break;
    }
    return fallback;
}

/* ---- Quantities ---- */

struct quantity_unit {
    const char *name;
    double factor;
};

/* The unit at the beginning of a text up to the next digit or its end; NULL: none of them. */
static const struct quantity_unit *find_unit(const struct quantity_unit *units, const char *text,
                                             size_t *ret_n)
{
    *ret_n = strcspn(text, "0123456789.");
    for (const struct quantity_unit *unit = units; unit->name != NULL; unit++) {
        if (strlen(unit->name) == *ret_n && strncasecmp(unit->name, text, *ret_n) == 0) {
            return unit;
        }
    }
    return NULL;
}

/* Reads numbers, each with a unit. An infinity is no quantity. */
static bool read_quantity(const char *text, const struct quantity_unit *units, bool is_sequence,
                          double *ret_sum)
{
    *ret_sum = 0;
    do {
        double number;
        const char *end;
        size_t n_unit;
        if (!(is_digit(*text) || *text == '.') || !read_number(text, &number, &end)) {
            return false;
        }
        const struct quantity_unit *unit = find_unit(units, end, &n_unit);
        if (unit == NULL) {
            return false;
        }
        *ret_sum += number * unit->factor;
        text = end + n_unit;
    } while (is_sequence && *text != '\0');
    return *text == '\0';
}

static int64_t to_quantity(const struct setting *setting, const struct quantity_unit *units,
                           bool is_sequence, int64_t fallback)
{
    int64_t found = -1;
    if (setting != NULL && setting->type == JSON_NUMBER && setting->fits_integer) {
        found = setting->integer;
    } else if (setting != NULL && setting->type == JSON_STRING) {
        AUTO_STR text = {0};
        double sum;
        found = string_to_int64(setting, -1);
        if (found < 0 &&
            (!clean(setting, &text) || !read_quantity(text.data, units, is_sequence, &sum) ||
             !coercion_to_integer(sum, &found))) {
            return fallback;
        }
    }
    return found < 0 ? fallback : found;
}

int64_t setting_to_duration_ms(const struct setting *setting, int64_t fallback)
{
    static const struct quantity_unit units[] = {{"", 1},     {"ms", 1},    {"s", 1e3}, {"m", 60e3},
                                                 {"h", 36e5}, {"d", 864e5}, {NULL, 0}};
    return to_quantity(setting, units, true, fallback);
}

int64_t setting_to_size(const struct setting *setting, int64_t fallback)
{
    static const struct quantity_unit units[] = {
        {"", 1},         {"B", 1},        {"kB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
        {"TB", 1e12},    {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},   {"T", 0x1p40},
        {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {NULL, 0}};
    return to_quantity(setting, units, false, fallback);
}
