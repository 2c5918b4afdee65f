#include "base64url.h"

#include <stdint.h>

#define DIGIT_BITS 6

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(const char *text, size_t n, struct str *out)
{
    uint32_t bits = 0;
    unsigned n_bits = 0; /* that wait for the rest of their byte */
    if (n % 4 == 1) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int digit = digit_value(text[i]);
        if (digit < 0) {
            return false;
        }
        bits = bits << DIGIT_BITS | (uint32_t)digit;
        n_bits += DIGIT_BITS;
        if (n_bits >= 8) {
            n_bits -= 8;
            str_add_char(out, (char)(bits >> n_bits & 0xFF));
        }
    }
    return (bits & ((1u << n_bits) - 1)) == 0;
}
