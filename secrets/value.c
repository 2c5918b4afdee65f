#include "value.h"

#include <stdint.h>
#include <string.h>

#include "characters.h"
#include "mem.h"

#define PASSWORD_MIN 8
#define KEY_MIN 16
#define LOOKED_AT 256

/* ---- Placeholders ---- */

/* Words that placeholders are made of; longer ones in front of those that they begin with. */
static const char *const filler[] = {
    "placeholder", "password", "passphrase", "passwd", "redacted", "example", "default",
    "replace",     "changeme", "insert",     "sample", "secret",   "change",  "string",
    "please",      "access",   "hidden",     "masked", "dummy",    "enter",   "token",
    "value",       "admin",    "valid",      "your",   "here",     "pass",    "this",
    "test",        "fake",     "with",       "todo",   "none",     "user",    "root",
    "api",         "key",      "the",        "set",    "my",       "me",      "a",
};

static size_t filler_at(const char *text, size_t n)
{
    for (size_t i = 0; i < COUNT_OF(filler); i++) {
        size_t length = strlen(filler[i]);
        if (length <= n && same_letters(text, filler[i], length)) {
            return length;
        }
    }
    return 0;
}

/* Whether hardly anything is left of a text without its filler words. */
static bool is_filler(const char *text, size_t n)
{
    size_t left = 0;
    bool any = false;
    for (size_t at = 0; at < n && left < 6;) {
        size_t length = filler_at(text + at, n - at);
        any = any || length > 2;
        left += length == 0 && is_in(text[at], ALNUM) ? 1 : 0;
        at += length == 0 ? 1 : length;
    }
    return any && left < 6;
}

static size_t different_characters(const char *text, size_t n)
{
    uint64_t seen[4] = {0};
    size_t different = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        different += (seen[c >> 6] >> (c & 63) & 1) == 0;
        seen[c >> 6] |= UINT64_C(1) << (c & 63);
    }
    return different;
}

/* Whether more than half of the characters repeat or follow the one before: "1234567", "aaaa". */
static bool is_sequence(const char *text, size_t n)
{
    size_t following = 0;
    for (size_t i = 1; i < n; i++) {
        following += text[i] == text[i - 1] || text[i] == text[i - 1] + 1;
    }
    return following * 2 > n;
}

bool value_is_placeholder(const char *text, size_t n)
{
    static const char *const marks[] = {"example",  "xxxx",      "your_",     "your-",
                                        "changeme", "change_me", "change-me", "placeholder",
                                        "redacted", "****",      "...."};
    n = n < LOOKED_AT ? n : LOOKED_AT;
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (has_word(text, n, marks[i])) {
            return true;
        }
    }
    return different_characters(text, n) < (n < 16 ? 4 : 6) || is_sequence(text, n) ||
           is_filler(text, n);
}

/* ---- References ---- */

/* How a text begins that leads to a secret or contains it encrypted or hashed. */
static const char *const references[] = {
    "${",        "$(",       "{{",       "%{",         "%(",
    "<",         "((",       "ref:",     "ref+",       "op://",
    "env:",      "file:",    "arn:",     "vault:",     "secret:",
    "projects/", "ssm:",     "sm:",      "keyvault:",  "@microsoft.keyvault",
    "enc[",      "enc(",     "{cipher}", "!vault",     "$ansible_vault",
    "sha1:",     "sha256:",  "sha384:",  "sha512:",    "sha1-",
    "sha256-",   "sha384-",  "sha512-",  "md5:",       "{sha",
    "{ssha",     "{bcrypt}", "{crypt}",  "scram-sha-", "pbkdf2",
    "argon2",    "$2a$",     "$2b$",     "$2y$",       "$argon2",
    "$pbkdf2",   "$scrypt$", "$1$",      "$5$",        "$6$",
    "$y$",       "ssh-",     "ecdsa-",   "age1",       "kms:",
    "/",         "./",       "../",      "~/",         "\\",
    "http",      "k8s:",
};

/* The length of a name before "://" at the beginning; 0: there is none. */
static bool is_uri(const char *text, size_t n)
{
    size_t scheme = run_of(text, n < 32 ? n : 32, ALNUM | DASH | DOT | PLUS_SLASH);
    return scheme > 1 && scheme + 3 <= n && memcmp(text + scheme, "://", 3) == 0;
}

static bool is_variable(const char *text, size_t n)
{
    return n > 1 &&
           ((text[0] == '$' && run_of(text + 1, n - 1, UPPER | UNDERSCORE | DIGIT) == n - 1) ||
            (text[0] == '%' && text[n - 1] == '%'));
}

/* NAME:$FORM$HASH, a line of a password file. */
static bool is_password_file(const char *text, size_t n)
{
    const char *colon = memchr(text, ':', n);
    size_t left = colon == NULL ? 0 : (size_t)(text + n - colon - 1);
    return left > 2 && colon[1] == '$' && memchr(colon + 2, '$', left - 1) != NULL;
}

/* Base64 may begin with a slash; a path has words between its slashes. */
static bool is_path(const char *text, size_t n);

bool value_is_reference(const char *text, size_t n)
{
    for (size_t i = 0; i < COUNT_OF(references); i++) {
        size_t length = strlen(references[i]);
        if (length <= n && same_letters(text, references[i], length)) {
            return text[0] != '/' || is_path(text, n);
        }
    }
    return is_uri(text, n) || is_variable(text, n) || is_password_file(text, n);
}

/* ---- Shapes ---- */

/* Letters, then at most two digits, as parts of identifiers, hosts and paths are; or digits. */
static bool is_plain_piece(const char *text, size_t n)
{
    size_t letters = run_of(text, n, LOWER);
    if (letters == 0) {
        letters = run_of(text, n, UPPER);
        letters += letters == 1 ? run_of(text + 1, n - 1, LOWER) : 0; /* "Name" */
    }
    size_t digits = run_of(text + letters, n - letters, DIGIT);
    return letters + digits == n && (letters == 0 ? digits <= 4 : digits <= 2);
}

/* Pieces between separators that are all plain. */
static bool is_identifier(const char *text, size_t n, size_t *ret_pieces)
{
    size_t pieces = 0;
    for (size_t at = 0; at < n;) {
        size_t piece = run_of(text + at, n - at, ALNUM);
        if (!is_plain_piece(text + at, piece)) {
            return false;
        }
        pieces += piece > 0;
        at += piece;
        if (at < n && strchr("-_./:", text[at]) == NULL) {
            return false;
        }
        at++;
    }
    *ret_pieces = pieces;
    return true;
}

static bool is_path(const char *text, size_t n)
{
    size_t pieces;
    return is_identifier(text, n, &pieces);
}

static bool is_uuid(const char *text, size_t n)
{
    if (n != 36) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_in(text[i], HEX | UPPER_HEX)) {
            return false;
        }
    }
    return true;
}

/* A mail address: NAME@HOST.NAME. */
static bool is_mail_address(const char *text, size_t n)
{
    const char *at = memchr(text, '@', n);
    size_t name = at == NULL ? 0 : (size_t)(at - text);
    return name > 0 && run_of(text, n, WORD | DOT) == name &&
           run_of(at + 1, n - name - 1, ALNUM | DASH | DOT) == n - name - 1 &&
           memchr(at, '.', n - name) != NULL && is_in(text[n - 1], LETTER);
}

/* A regular expression: "[a-z0-9]{32}". */
static bool is_pattern(const char *text, size_t n)
{
    static const char *const marks[] = {"a-z", "0-9", "\\d", "\\w", "a-f", ".*", ".+"};
    bool has_marks = text[0] == '^';
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        has_marks = has_marks || has_word(text, n, marks[i]);
    }
    return has_marks &&
           (memchr(text, '[', n) != NULL || memchr(text, '{', n) != NULL || text[0] == '^');
}

struct counts {
    size_t lower, upper, digit, symbol;
    size_t switches; /* between neighbours that are lower case, upper case, digits or symbols */
    bool other;      /* blanks, control characters, bytes beyond ASCII */
};

static struct counts count(const char *text, size_t n)
{
    struct counts counts = {0};
    unsigned before = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned kind = class_of(text[i]);
        counts.lower += (kind & LOWER) != 0;
        counts.upper += (kind & UPPER) != 0;
        counts.digit += (kind & DIGIT) != 0;
        counts.symbol += (kind & (ALNUM | BLANK | FOREIGN)) == 0;
        counts.other = counts.other || (kind & (BLANK | FOREIGN)) != 0;
        unsigned sort = kind & (ALNUM | SYMBOL);
        counts.switches += sort != 0 && before != 0 && sort != before;
        before = sort;
    }
    return counts;
}

/* Neighbours in random text differ in sort about every second time; in MixedCaseNames every third
 * time at most. */
static bool is_mixed_case(const struct counts *c, size_t n)
{
    return c->upper > 0 && c->lower > 0 && c->switches * 5 >= n * 2;
}

static bool is_password(const struct counts *c, size_t n)
{
    size_t letters = c->lower + c->upper;
    size_t sorts = (size_t)((c->lower > 0) + (c->upper > 0) + (c->digit > 0) + (c->symbol > 0));
    return letters > 0 && (c->digit > 0 || sorts > 2 || is_mixed_case(c, n));
}

static bool is_key(const struct counts *c, size_t n)
{
    size_t letters = c->lower + c->upper;
    bool mixed = letters >= 4 && c->digit > 0 && c->switches >= 3 && c->switches * 8 >= n;
    return mixed || is_mixed_case(c, n);
}

bool value_is_secret(const char *text, size_t n, enum name_kind kind)
{
    if (kind == NAME_OTHER || n < (kind == NAME_PASSWORD ? PASSWORD_MIN : KEY_MIN)) {
        return false;
    }
    n = n < LOOKED_AT ? n : LOOKED_AT;
    struct counts counts = count(text, n);
    if (counts.other || !(kind == NAME_PASSWORD ? is_password(&counts, n) : is_key(&counts, n))) {
        return false;
    }
    size_t pieces;
    return !value_is_reference(text, n) && !value_is_placeholder(text, n) && !is_uuid(text, n) &&
           !is_mail_address(text, n) && !is_pattern(text, n) &&
           (!is_identifier(text, n, &pieces) || (kind == NAME_PASSWORD && pieces == 1));
}
