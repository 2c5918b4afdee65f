#include "regex_translate.h"

#include <ctype.h>
#include <string.h>

#include "percent.h"

struct translator {
    const char *at;
    const char *end;
    struct str *out;
    const char *fault; /* NULL: none so far */
    size_t depth;      /* open groups */
    bool repeatable;   /* a quantifier may follow */
    struct regex_traits traits;
};

/* ECMA's blanks beyond ASCII. `\s` stands on both sides, so that a hyphen beside makes no range. */
static const char blanks[] = "\\s\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
                             "\\x{205f}\\x{3000}\\x{feff}\\s";
static const char no_blanks[] =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}";

/* General categories: names of ECMA-262, and the short names that PCRE2 has. */
static const char *const categories[][2] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"LC", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

static bool refuse(struct translator *t, const char *fault)
{
    if (t->fault == NULL) {
        t->fault = fault;
    }
    return false;
}

static bool next_is(const struct translator *t, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(t->end - t->at) >= n && memcmp(t->at, text, n) == 0;
}

static void add_code(struct translator *t, uint32_t code)
{
    str_addf(t->out, "\\x{%x}", code);
}

/* Takes n hexadecimal digits; false: they are not there. */
static bool take_hex(struct translator *t, size_t n, uint32_t *ret_code)
{
    uint32_t code = 0;
    if ((size_t)(t->end - t->at) < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int digit = hex_digit_value(t->at[i]);
        if (digit < 0 || code > 0x10FFFF) {
            return false;
        }
        code = code << 4 | (uint32_t)digit;
    }
    t->at += n;
    *ret_code = code;
    return true;
}

/* Behind "\u{". */
static bool take_braced_code(struct translator *t, uint32_t *ret_code)
{
    const char *brace = memchr(t->at, '}', (size_t)(t->end - t->at));
    size_t n = brace == NULL ? 0 : (size_t)(brace - t->at);
    if (n == 0 || !take_hex(t, n, ret_code)) {
        return false;
    }
    t->at++;
    return true;
}

/* The character of \uXXXX, of two of them that are surrogates, or of \u{X…}. */
static bool take_unicode(struct translator *t)
{
    uint32_t code;
    uint32_t low;
    if (next_is(t, "{")) {
        t->at++;
        if (!take_braced_code(t, &code)) {
            return refuse(t, "\\u{ is not followed by a code point and }");
        }
    } else if (!take_hex(t, 4, &code)) {
        return refuse(t, "\\u is not followed by four hexadecimal digits");
    } else if (code >= 0xD800 && code < 0xDC00 && next_is(t, "\\u")) {
        t->at += 2;
        if (!take_hex(t, 4, &low) || low < 0xDC00 || low > 0xDFFF) {
            return refuse(t, "a surrogate stands alone");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return refuse(t, "a surrogate stands alone, or a code point is beyond Unicode");
    }
    add_code(t, code);
    return true;
}

static const char *category(const char *name, size_t n)
{
    for (size_t i = 0; i < COUNT_OF(categories); i++) {
        if (strlen(categories[i][0]) == n && memcmp(categories[i][0], name, n) == 0) {
            return categories[i][1];
        }
    }
    return NULL;
}

static bool is_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)p[i]) && p[i] != '_') {
            return false;
        }
    }
    return n > 0;
}

/* Writes the property `key`=`value`, or `value` alone where n_key is 0. */
static bool add_property(struct translator *t, char letter, const char *key, size_t n_key,
                         const char *value, size_t n)
{
    static const char *const kinds[][2] = {
        {"General_Category", ""},      {"gc", ""},      {"Script", "sc:"}, {"sc", "sc:"},
        {"Script_Extensions", "scx:"}, {"scx", "scx:"},
    };
    const char *prefix = n_key == 0 ? "" : NULL;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strlen(kinds[i][0]) == n_key && memcmp(kinds[i][0], key, n_key) == 0) {
            prefix = kinds[i][1];
        }
    }
    if (prefix == NULL || !is_name(value, n)) {
        return refuse(t, "\\p names no property");
    }
    const char *known = *prefix == '\0' ? category(value, n) : NULL;
    str_addf(t->out, "\\%c{%s", letter, prefix);
    str_add(t->out, known == NULL ? value : known, known == NULL ? n : strlen(known));
    str_add_char(t->out, '}');
    return true;
}

static bool take_property(struct translator *t, char letter)
{
    const char *brace = memchr(t->at, '}', (size_t)(t->end - t->at));
    if (!next_is(t, "{") || brace == NULL) {
        return refuse(t, "\\p is not followed by {PROPERTY}");
    }
    const char *start = t->at + 1;
    const char *equals = memchr(start, '=', (size_t)(brace - start));
    const char *value = equals == NULL ? start : equals + 1;
    t->at = brace + 1;
    if (equals == start) {
        return refuse(t, "\\p names no property");
    }
    return add_property(t, letter, start, equals == NULL ? 0 : (size_t)(equals - start), value,
                        (size_t)(brace - value));
}

static bool take_control(struct translator *t)
{
    if (t->at == t->end || !isalpha((unsigned char)*t->at)) {
        return refuse(t, "\\c is not followed by a letter");
    }
    add_code(t, (uint32_t)*t->at++ & 0x1F);
    return true;
}

static bool take_nul(struct translator *t)
{
    if (t->at < t->end && isdigit((unsigned char)*t->at)) {
        return refuse(t, "\\0 is followed by a digit");
    }
    add_code(t, 0);
    return true;
}

/* The escapes that mean the same within a class and outside. The letter is taken. */
static bool take_common_escape(struct translator *t, char c)
{
    uint32_t code;
    switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 't':
    case 'n':
    case 'r':
    case 'f':
        str_addf(t->out, "\\%c", c);
        return true;
    case 'v':
        add_code(t, 0xB);
        return true;
    case 'c':
        return take_control(t);
    case '0':
        return take_nul(t);
    case 'x':
        if (!take_hex(t, 2, &code)) {
            return refuse(t, "\\x is not followed by two hexadecimal digits");
        }
        add_code(t, code);
        return true;
    case 'u':
        return take_unicode(t);
    case 'p':
    case 'P':
        return take_property(t, c);
    default:
        if ((unsigned char)c < 0x21 || (unsigned char)c > 0x7E || isalnum((unsigned char)c)) {
            return refuse(t, "a character that needs no escape is escaped");
        }
        str_addf(t->out, "\\%c", c);
        return true;
    }
}

static bool take_backreference(struct translator *t)
{
    const char *start = t->at - 1;
    t->traits.looks_around = true;
    while (t->at < t->end && isdigit((unsigned char)*t->at)) {
        t->at++;
    }
    str_addf(t->out, "\\g{%.*s}", (int)(t->at - start), start);
    return true;
}

static bool take_named_backreference(struct translator *t)
{
    const char *end = memchr(t->at, '>', (size_t)(t->end - t->at));
    if (!next_is(t, "<") || end == NULL || end == t->at + 1) {
        return refuse(t, "\\k is not followed by <NAME>");
    }
    t->traits.looks_around = true;
    str_add_text(t->out, "\\k");
    str_add(t->out, t->at, (size_t)(end + 1 - t->at));
    t->at = end + 1;
    return true;
}

static bool take_escape(struct translator *t)
{
    t->at++;
    if (t->at == t->end) {
        return refuse(t, "the pattern ends with a backslash");
    }
    char c = *t->at++;
    t->repeatable = c != 'b' && c != 'B';
    if (c == 'b' || c == 'B') {
        str_addf(t->out, "\\%c", c);
        return true;
    }
    if (c == 's' || c == 'S') {
        str_addf(t->out, "[%s%s]", c == 'S' ? "^" : "", blanks);
        return true;
    }
    if (c == 'k') {
        return take_named_backreference(t);
    }
    return c >= '1' && c <= '9' ? take_backreference(t) : take_common_escape(t, c);
}

static bool take_class_escape(struct translator *t)
{
    t->at++;
    if (t->at == t->end) {
        return refuse(t, "the pattern ends with a backslash");
    }
    char c = *t->at++;
    if (c == 'b') {
        add_code(t, 8);
        return true;
    }
    if (c == 's' || c == 'S') {
        str_add_text(t->out, c == 's' ? blanks : no_blanks);
        return true;
    }
    return take_common_escape(t, c);
}

static bool take_class(struct translator *t)
{
    str_add_char(t->out, *t->at++);
    if (next_is(t, "^")) {
        str_add_char(t->out, *t->at++);
    }
    while (t->at < t->end && *t->at != ']') {
        if (*t->at == '\\') {
            if (!take_class_escape(t)) {
                return false;
            }
            continue;
        }
        if (strchr("[:.=", *t->at) != NULL && *t->at != '\0') {
            str_add_char(t->out, '\\'); /* no POSIX class */
        }
        str_add_char(t->out, *t->at++);
    }
    if (t->at == t->end) {
        return refuse(t, "a class [ is not closed");
    }
    str_add_char(t->out, *t->at++);
    t->repeatable = true;
    return true;
}

/* "(" and what it opens. */
static bool take_group(struct translator *t)
{
    static const char *const openings[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};
    size_t n = 1;
    if (next_is(t, "(?")) {
        n = next_is(t, "(?<") ? 3 : 0;
        for (size_t i = 0; i < COUNT_OF(openings); i++) {
            n = next_is(t, openings[i]) ? strlen(openings[i]) : n;
        }
    }
    if (n == 0) {
        return refuse(t, "a group begins with (? and something that ECMA-262 does not know");
    }
    bool is_plain = n == 1 || t->at[2] == ':' || (n == 3 && t->at[2] == '<');
    t->traits.looks_around = t->traits.looks_around || !is_plain;
    str_add(t->out, t->at, n);
    t->at += n;
    t->depth++;
    t->repeatable = false;
    return true;
}

static bool take_group_end(struct translator *t)
{
    if (t->depth == 0) {
        return refuse(t, "a group is closed that is not open");
    }
    t->depth--;
    t->repeatable = true;
    str_add_char(t->out, *t->at++);
    return true;
}

/* Takes digits from *at on; false: there are none. */
static bool read_number(const char **at, const char *end, size_t *ret_number)
{
    const char *start = *at;
    size_t number = 0;
    for (; *at < end && isdigit((unsigned char)**at); ++*at) {
        number = number < 100000 ? number * 10 + (size_t)(**at - '0') : number;
    }
    *ret_number = number;
    return *at > start;
}

/* The length of {N}, {N,} or {N,M} here; 0: something else. */
static size_t braces_length(const struct translator *t, size_t *ret_most)
{
    const char *p = t->at + 1;
    size_t least;
    size_t most = 0;
    if (!read_number(&p, t->end, &least)) {
        return 0;
    }
    if (p < t->end && *p == ',') {
        p++;
        read_number(&p, t->end, &most);
    }
    *ret_most = least > most ? least : most;
    return p < t->end && *p == '}' ? (size_t)(p + 1 - t->at) : 0;
}

static bool take_quantifier(struct translator *t, size_t n)
{
    if (!t->repeatable) {
        return refuse(t, "a quantifier follows nothing that it could repeat");
    }
    str_add(t->out, t->at, n);
    t->at += n;
    if (next_is(t, "?")) {
        str_add_char(t->out, *t->at++);
    }
    t->repeatable = false;
    return true;
}

static bool take_brace(struct translator *t)
{
    size_t most;
    size_t n = braces_length(t, &most);
    if (n > 0) {
        t->traits.max_repeat = most > t->traits.max_repeat ? most : t->traits.max_repeat;
        return take_quantifier(t, n);
    }
    str_add_text(t->out, "\\{");
    t->at++;
    t->repeatable = true;
    return true;
}

static bool take_plain(struct translator *t, bool repeatable)
{
    str_add_char(t->out, *t->at++);
    t->repeatable = repeatable;
    return true;
}

static bool take_term(struct translator *t)
{
    switch (*t->at) {
    case '\\':
        return take_escape(t);
    case '[':
        return take_class(t);
    case '(':
        return take_group(t);
    case ')':
        return take_group_end(t);
    case '*':
    case '+':
    case '?':
        return take_quantifier(t, 1);
    case '{':
        return take_brace(t);
    case '}':
    case ']':
        str_add_char(t->out, '\\');
        return take_plain(t, true);
    case '.':
        str_add_text(t->out, "[^\\n\\r\\x{2028}\\x{2029}]");
        t->at++;
        t->repeatable = true;
        return true;
    case '^':
    case '$':
    case '|':
        return take_plain(t, false);
    default:
        return take_plain(t, true);
    }
}

bool regex_translate(struct json_text pattern, struct str *out, struct regex_traits *ret_traits,
                     const char **ret_fault)
{
    struct translator t = {.at = pattern.data, .end = pattern.data + pattern.len, .out = out};
    while (t.at < t.end && take_term(&t)) {
    }
    if (t.fault == NULL && t.depth > 0) {
        t.fault = "a group is not closed";
    }
    *ret_traits = t.traits;
    *ret_fault = t.fault;
    return t.fault == NULL;
}
