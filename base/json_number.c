#include "json_number.h"

#include <stdint.h>
#include <string.h>

/* A number token in normal form: 0.DIGITS * 10^(scale + exponent). DIGITS are part of the token,
 * without leading and trailing zeros; a decimal point inside them is skipped. Zero has no digits.
 */
struct decimal {
    struct json_text digits;
    bool negative;
    int64_t scale; /* its magnitude is at most the length of the token */
    struct json_text exponent;
    bool exponent_negative;
};

/* Bounds the difference of two exponents. No difference of scales comes near it. */
static const int64_t FAR = INT64_C(1) << 56;

static const char *skip_zeros(const char *at, const char *end)
{
    while (at < end && (*at == '0' || *at == '.')) {
        at++;
    }
    return at;
}

static struct json_text cut_zeros(const char *start, const char *end)
{
    const char *first = skip_zeros(start, end);
    while (end > first && (end[-1] == '0' || end[-1] == '.')) {
        end--;
    }
    return (struct json_text){first, (size_t)(end - first)};
}

/* The exponent's letter, or the end. */
static const char *find_exponent(const char *at, const char *end)
{
    while (at < end && *at != 'e' && *at != 'E') {
        at++;
    }
    return at;
}

static void read_exponent(const char *at, const char *end, struct decimal *number)
{
    number->exponent_negative = *at == '-';
    at += *at == '-' || *at == '+' ? 1 : 0;
    number->exponent = (struct json_text){at, (size_t)(end - at)};
}

static struct decimal read_decimal(struct json_text token)
{
    struct decimal number = {.negative = token.data[0] == '-'};
    const char *start = token.data + (number.negative ? 1 : 0);
    const char *end = token.data + token.len;
    const char *letter = find_exponent(start, end);
    const char *point = memchr(start, '.', (size_t)(letter - start));
    const char *first = skip_zeros(start, letter);
    point = point == NULL ? letter : point;
    number.digits = cut_zeros(start, letter);
    number.scale = point - first + (first > point ? 1 : 0);
    if (letter < end) {
        read_exponent(letter + 1, end, &number);
    }
    return number;
}

/* The digit with `place` digits behind it: 0 is the last one. 0 beyond the first. */
static int digit_at(struct json_text digits, size_t place)
{
    return place < digits.len ? digits.data[digits.len - 1 - place] - '0' : 0;
}

/* a's exponent minus b's, from the highest digit down. Beyond FAR or -FAR it stops early: each
 * lower place multiplies the difference by 10 and changes it by at most 18, so a difference of 3 or
 * more only grows. */
static int64_t subtract_exponents(const struct decimal *a, const struct decimal *b)
{
    size_t place = a->exponent.len > b->exponent.len ? a->exponent.len : b->exponent.len;
    int64_t difference = 0;
    while (place > 0 && difference < FAR && difference > -FAR) {
        place--;
        int x = digit_at(a->exponent, place);
        int y = digit_at(b->exponent, place);
        difference = difference * 10 + (a->exponent_negative ? -x : x);
        difference -= b->exponent_negative ? -y : y;
    }
    return difference;
}

static bool next_digit(struct json_text *digits, char *ret_digit)
{
    if (digits->len > 0 && *digits->data == '.') {
        digits->data++;
        digits->len--;
    }
    if (digits->len == 0) {
        return false;
    }
    *ret_digit = *digits->data++;
    digits->len--;
    return true;
}

static bool digits_equal(struct json_text a, struct json_text b)
{
    char x;
    char y;
    while (next_digit(&a, &x)) {
        if (!next_digit(&b, &y) || x != y) {
            return false;
        }
    }
    return !next_digit(&b, &y);
}

bool json_number_equal(struct json_text a, struct json_text b)
{
    struct decimal x = read_decimal(a);
    struct decimal y = read_decimal(b);
    if (x.digits.len == 0 || y.digits.len == 0) {
        return x.digits.len == y.digits.len;
    }
    return x.negative == y.negative && digits_equal(x.digits, y.digits) &&
           subtract_exponents(&x, &y) == y.scale - x.scale;
}
