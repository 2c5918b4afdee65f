#include "characters.h"

#include <string.h>

#define EIGHT(x) x, x, x, x, x, x, x, x
#define SIXTEEN(x) EIGHT(x), EIGHT(x)

#define L LOWER
#define LH (LOWER | LOWER_HEX)
#define U UPPER
#define UH (UPPER | UPPER_HEX)
#define S SYMBOL
#define EH (SYMBOL | ENDS_HOST)
#define EV (SYMBOL | ENDS_VALUE)
#define EB (SYMBOL | ENDS_HOST | ENDS_VALUE)
#define B (BLANK | ENDS_HOST | ENDS_VALUE)

const uint16_t characters_class[256] = {
    /* control characters */
    SIXTEEN(B),
    SIXTEEN(B),
    /* blank ! " # $ % & ' ( ) * + , - . / */
    B,
    S,
    EB,
    EH,
    S,
    S,
    EV,
    EB,
    S,
    EV,
    S,
    PLUS_SLASH,
    EV,
    DASH,
    DOT,
    PLUS_SLASH | ENDS_HOST,
    /* 0 to 9 : ; < = > ? */
    EIGHT(DIGIT),
    DIGIT,
    DIGIT,
    S,
    EV,
    EB,
    EQUALS,
    EB,
    EH,
    /* @, A to O */
    S,
    UH,
    UH,
    UH,
    UH,
    UH,
    UH,
    U,
    EIGHT(U),
    /* P to Z [ \ ] ^ _ */
    EIGHT(U),
    U,
    U,
    U,
    S,
    S,
    S,
    S,
    UNDERSCORE,
    /* `, a to o */
    S,
    LH,
    LH,
    LH,
    LH,
    LH,
    LH,
    L,
    EIGHT(L),
    /* p to z { | } ~ DEL */
    EIGHT(L),
    L,
    L,
    L,
    S,
    S,
    S,
    S | TILDE,
    B,
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
    SIXTEEN(FOREIGN),
};

static char lower_of(char c)
{
    return is_in(c, UPPER) ? (char)(c | 0x20) : c;
}

bool same_letters(const char *text, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lower_of(text[i]) != lower[i]) {
            return false;
        }
    }
    return true;
}

bool has_word(const char *text, size_t n, const char *lower)
{
    size_t length = strlen(lower);
    for (size_t at = 0; at + length <= n; at++) {
        if (lower_of(text[at]) == lower[0] && same_letters(text + at, lower, length)) {
            return true;
        }
    }
    return false;
}
