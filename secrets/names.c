#include "names.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "characters.h"
#include "mem.h"

struct name_ending {
    const char *letters; /* lower case, without separators */
    enum name_kind kind;
    bool whole_word; /* "pass", but not "compass" */
};

static const struct name_ending endings[] = {
    {"password", NAME_PASSWORD, false},
    {"passwd", NAME_PASSWORD, false},
    {"passphrase", NAME_PASSWORD, false},
    {"passcode", NAME_PASSWORD, false},
    {"pwd", NAME_PASSWORD, true},
    {"pass", NAME_PASSWORD, true},
    {"pw", NAME_PASSWORD, true},
    {"secret", NAME_KEY, false},
    {"token", NAME_KEY, false},
    {"apikey", NAME_KEY, false},
    {"appkey", NAME_KEY, false},
    {"accesskey", NAME_KEY, false},
    {"secretkey", NAME_KEY, false},
    {"privatekey", NAME_KEY, false},
    {"signingkey", NAME_KEY, false},
    {"signkey", NAME_KEY, false},
    {"encryptionkey", NAME_KEY, false},
    {"masterkey", NAME_KEY, false},
    {"accountkey", NAME_KEY, false},
    {"sharedkey", NAME_KEY, false},
    {"storagekey", NAME_KEY, false},
    {"authkey", NAME_KEY, false},
    {"sessionkey", NAME_KEY, false},
    {"hmackey", NAME_KEY, false},
    {"jwtkey", NAME_KEY, false},
    {"subscriptionkey", NAME_KEY, false},
    {"servicekey", NAME_KEY, false},
    {"deploykey", NAME_KEY, false},
    {"licensekey", NAME_KEY, false},
    {"cookiekey", NAME_KEY, false},
    {"webhookkey", NAME_KEY, false},
    {"cryptkey", NAME_KEY, false},
    {"primarykey", NAME_KEY, false},
    {"secondarykey", NAME_KEY, false},
    {"integrationkey", NAME_KEY, false},
    {"routingkey", NAME_KEY, false},
    {"credential", NAME_KEY, false},
    {"credentials", NAME_KEY, false},
    {"authorization", NAME_KEY, false},
    {"pat", NAME_KEY, true},
    {"salt", NAME_KEY, true},
    {"pepper", NAME_KEY, true},
    {"otpseed", NAME_KEY, false},
    {"totpseed", NAME_KEY, false},
};

static bool is_separator(char c)
{
    return c == '_' || c == '-' || c == '.' || c == ' ' || c == ':';
}

static char letter_of(char c)
{
    return is_in(c, UPPER) ? (char)(c | 0x20) : c;
}

/* Whether name ends with the letters; separators between them do not count. */
static bool ends_with(const char *name, size_t n, const struct name_ending *ending)
{
    size_t left = strlen(ending->letters);
    while (left > 0 && n > 0) {
        if (letter_of(name[n - 1]) == ending->letters[left - 1]) {
            left--;
        } else if (!is_separator(name[n - 1])) {
            return false;
        }
        n--;
    }
    bool begins = n == 0 || !is_in(name[n - 1], LETTER) ||
                  (is_in(name[n - 1], LOWER) && is_in(name[n], UPPER));
    return left == 0 && (begins || !ending->whole_word);
}

/* The endings by their last two letters. */
static struct ending_index {
    uint32_t second[26]; /* by the last letter: those in front of it, as bits */
    uint8_t first[26];   /* the first ending of a last letter, + 1; 0: none */
    uint8_t next[COUNT_OF(endings)];
} endings_index;

static void make_index(void)
{
    _Static_assert(COUNT_OF(endings) < UINT8_MAX, "a byte names an ending");
    for (size_t i = COUNT_OF(endings); i-- > 0;) {
        const char *letters = endings[i].letters;
        size_t length = strlen(letters);
        size_t last = (size_t)(letters[length - 1] - 'a');
        endings_index.second[last] |= UINT32_C(1) << (letters[length - 2] - 'a');
        endings_index.next[i] = endings_index.first[last];
        endings_index.first[last] = (uint8_t)(i + 1);
    }
}

void names_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_index);
}

static enum name_kind kind_of(const char *name, size_t n)
{
    if (n < 2 || !is_in(name[n - 1], LETTER) || !is_in(name[n - 2], LETTER)) {
        return NAME_OTHER;
    }
    size_t last = (size_t)(letter_of(name[n - 1]) - 'a');
    if ((endings_index.second[last] >> (letter_of(name[n - 2]) - 'a') & 1) == 0) {
        return NAME_OTHER;
    }
    for (size_t i = endings_index.first[last]; i != 0; i = endings_index.next[i - 1]) {
        if (ends_with(name, n, &endings[i - 1])) {
            return endings[i - 1].kind;
        }
    }
    return NAME_OTHER;
}

/* Cuts numbers and separators off the end. */
static size_t without_number(const char *name, size_t n)
{
    while (n > 0 && (is_in(name[n - 1], DIGIT) || is_separator(name[n - 1]))) {
        n--;
    }
    return n;
}

enum name_kind name_kind(const char *name, size_t n)
{
    n = without_number(name, n);
    if (n > 5 && same_letters(name + n - 5, "value", 5)) {
        n = without_number(name, n - 5);
    }
    enum name_kind kind = kind_of(name, n);
    if (kind == NAME_OTHER && n > 1 && letter_of(name[n - 1]) == 's') {
        kind = kind_of(name, n - 1);
    }
    return kind;
}

bool name_is_neutral(const char *name, size_t n)
{
    static const char *const neutral[] = {"value", "default", "data", "current", "plain", "text"};
    for (size_t i = 0; i < COUNT_OF(neutral); i++) {
        if (strlen(neutral[i]) == n && same_letters(name, neutral[i], n)) {
            return true;
        }
    }
    return false;
}

enum name_kind name_kind_of_members(const char *name, size_t n)
{
    bool plural = n > 1 && letter_of(name[n - 1]) == 's' && letter_of(name[n - 2]) != 's';
    return plural && kind_of(name, n - 1) != NAME_OTHER ? NAME_KEY : NAME_OTHER;
}
