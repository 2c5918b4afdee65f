/* Classes of characters, as bits, so that a class of several is a mask. Private to secrets/. Pure;
 * any thread. */
#ifndef SECRETS_CHARACTERS_H
#define SECRETS_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGIT = 1 << 0,
    LOWER = 1 << 1,
    UPPER = 1 << 2,
    LOWER_HEX = 1 << 3, /* a to f */
    UPPER_HEX = 1 << 4, /* A to F */
    UNDERSCORE = 1 << 5,
    DASH = 1 << 6,
    DOT = 1 << 7,
    PLUS_SLASH = 1 << 8,
    EQUALS = 1 << 9,
    BLANK = 1 << 10,      /* and other control characters */
    SYMBOL = 1 << 11,     /* printable ASCII that is none of the above */
    FOREIGN = 1 << 12,    /* bytes beyond ASCII */
    TILDE = 1 << 13,      /* also a symbol */
    ENDS_HOST = 1 << 14,  /* ends the host of a URI in a text; also one of the above */
    ENDS_VALUE = 1 << 15, /* ends a value in a text, as in "name=value;"; also one of the above */

    LETTER = LOWER | UPPER,
    ALNUM = DIGIT | LETTER,
    HEX = DIGIT | LOWER_HEX,
    BASE64 = ALNUM | PLUS_SLASH,
    WORD = ALNUM | UNDERSCORE | DASH, /* base64url, too */
    TOKEN = WORD | DOT | PLUS_SLASH | EQUALS,
};

extern const uint16_t characters_class[256];

static inline unsigned class_of(char c)
{
    return characters_class[(unsigned char)c];
}

static inline bool is_in(char c, unsigned mask)
{
    return (class_of(c) & mask) != 0;
}

/* The length of the longest run of such characters at the beginning of text. */
static inline size_t run_of(const char *text, size_t n, unsigned mask)
{
    size_t run = 0;
    while (run < n && is_in(text[run], mask)) {
        run++;
    }
    return run;
}

/* Compares n characters without regard to the case of ASCII letters. lower: in lower case. */
bool same_letters(const char *text, const char *lower, size_t n);

/* Whether text contains a word without regard to case. lower: in lower case, not empty. */
bool has_word(const char *text, size_t n, const char *lower);

#endif
