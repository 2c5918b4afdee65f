#include "base64.h"

#include <stdint.h>

#include "characters.h"

/* The six bits of a character; -1: it is none of base64. */
static int bits_of(char c)
{
    unsigned mask = class_of(c);
    if ((mask & UPPER) != 0) {
        return c - 'A';
    }
    if ((mask & LOWER) != 0) {
        return c - 'a' + 26;
    }
    if ((mask & DIGIT) != 0) {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

size_t base64_decode(const char *text, size_t n, char *out, size_t room)
{
    uint32_t held = 0;
    unsigned n_bits = 0;
    size_t n_out = 0;
    for (size_t i = 0; i < n && n_out < room; i++) {
        int bits = bits_of(text[i]);
        if (bits < 0) {
            break;
        }
        held = held << 6 | (uint32_t)bits;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n_out++] = (char)(held >> n_bits & 0xFF);
        }
    }
    return n_out;
}
