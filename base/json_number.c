#include "json_number.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "str.h"

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

/* The exponent, bounded by FAR. */
static int64_t exponent_of(const struct decimal *number)
{
    const struct decimal none = {0};
    int64_t exponent = subtract_exponents(number, &none);
    return exponent > FAR ? FAR : exponent < -FAR ? -FAR : exponent;
}

static int compare_digits(struct json_text a, struct json_text b)
{
    char x;
    char y;
    while (next_digit(&a, &x)) {
        if (!next_digit(&b, &y)) {
            return 1;
        }
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return next_digit(&b, &y) ? -1 : 0;
}

/* Of two numbers that are not zero, without their signs. */
static int compare_magnitudes(const struct decimal *a, const struct decimal *b)
{
    int64_t difference = subtract_exponents(a, b) + a->scale - b->scale;
    if (difference != 0) {
        return difference < 0 ? -1 : 1;
    }
    return compare_digits(a->digits, b->digits);
}

static int sign_of(const struct decimal *number)
{
    return number->digits.len == 0 ? 0 : number->negative ? -1 : 1;
}

int json_number_compare(struct json_text a, struct json_text b)
{
    struct decimal x = read_decimal(a);
    struct decimal y = read_decimal(b);
    int sign = sign_of(&x);
    if (sign != sign_of(&y) || sign == 0) {
        return sign - sign_of(&y);
    }
    return sign * compare_magnitudes(&x, &y);
}

static size_t count_digits(struct json_text digits)
{
    bool has_point = digits.len > 0 && memchr(digits.data, '.', digits.len) != NULL;
    return digits.len - (has_point ? 1 : 0);
}

size_t json_number_digits(struct json_text number)
{
    return count_digits(read_decimal(number).digits);
}

/* The power of ten of the last digit: the number is its digits as an integer times 10 to that. */
static int64_t last_power(const struct decimal *number)
{
    return exponent_of(number) + number->scale - (int64_t)count_digits(number->digits);
}

bool json_number_is_integer(struct json_text number)
{
    struct decimal x = read_decimal(number);
    return x.digits.len == 0 || last_power(&x) >= 0;
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t modulus)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b % modulus);
}

static uint64_t digits_modulo(struct json_text digits, uint64_t modulus)
{
    uint64_t rest = 0;
    for (char digit; next_digit(&digits, &digit);) {
        rest = (multiply_modulo(rest, 10, modulus) + (uint64_t)(digit - '0')) % modulus;
    }
    return rest;
}

bool json_number_is_multiple(struct json_text number, struct json_text divisor)
{
    struct decimal x = read_decimal(number);
    struct decimal y = read_decimal(divisor);
    assert(sign_of(&y) > 0 && count_digits(y.digits) <= JSON_DIVISOR_DIGITS && "a fit divisor");
    if (x.digits.len == 0) {
        return true;
    }
    int64_t power = subtract_exponents(&x, &y) + (x.scale - (int64_t)count_digits(x.digits)) -
                    (y.scale - (int64_t)count_digits(y.digits));
    if (power < 0) { /* 10 does not divide x's digits, which do not end with a zero */
        return false;
    }
    uint64_t modulus = digits_modulo(y.digits, UINT64_MAX);
    uint64_t rest = digits_modulo(x.digits, modulus);
    /* 10^64 has every factor 2 and 5 that a modulus of 64 bits can have: more changes nothing. */
    for (int64_t i = power < 64 ? power : 64; i > 0 && rest != 0; i--) {
        rest = multiply_modulo(rest, 10, modulus);
    }
    return rest == 0;
}

bool json_number_to_count(struct json_text number, uint64_t *ret_count)
{
    struct decimal x = read_decimal(number);
    int64_t zeros = x.digits.len == 0 ? 0 : last_power(&x);
    if (sign_of(&x) < 0 || zeros < 0) {
        return false;
    }
    uint64_t count = 0;
    for (char digit; next_digit(&x.digits, &digit);) {
        bool over = __builtin_mul_overflow(count, 10, &count) ||
                    __builtin_add_overflow(count, (uint64_t)(digit - '0'), &count);
        count = over ? UINT64_MAX : count;
    }
    for (; zeros > 0 && count < UINT64_MAX && count > 0; zeros--) {
        count = __builtin_mul_overflow(count, 10, &count) ? UINT64_MAX : count;
    }
    *ret_count = count;
    return true;
}

/* Whether the token is in normal form already: digits alone, the last one no zero. */
static bool is_plain(struct json_text number)
{
    for (size_t i = 0; i < number.len; i++) {
        if (number.data[i] < '0' || number.data[i] > '9') {
            return false;
        }
    }
    return number.data[0] != '0' && number.data[number.len - 1] != '0';
}

static uint64_t hash_digits(struct json_text digits, int64_t power, bool negative)
{
    uint64_t rest = (uint64_t)power * 2 + (negative ? 1 : 0);
    return hash_table_key(digits.data, digits.len) + rest * 0x9e3779b97f4a7c15u;
}

uint64_t json_number_hash(struct json_text number)
{
    if (is_plain(number)) {
        return hash_digits(number, (int64_t)number.len, false);
    }
    struct decimal x = read_decimal(number);
    if (x.digits.len == 0) {
        return hash_table_key("0", 1);
    }
    int64_t power = exponent_of(&x) + x.scale;
    power = power > FAR / 2 ? FAR : power < -FAR / 2 ? -FAR : power;
    if (memchr(x.digits.data, '.', x.digits.len) == NULL) {
        return hash_digits(x.digits, power, x.negative);
    }
    AUTO_STR digits = {0};
    for (char digit; next_digit(&x.digits, &digit);) {
        str_add_char(&digits, digit);
    }
    return hash_digits((struct json_text){digits.data, digits.len}, power, x.negative);
}
