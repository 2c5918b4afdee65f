#include "utf8.h"

#include <string.h>

#include "leak_check.h"

TestSuite(utf8, .fini = leak_check);

#define BYTES(literal) literal, sizeof literal - 1

static const struct {
    const char *bytes;
    size_t n;
    size_t good; /* bytes that are well-formed from the start on */
} cases[] = {
    {BYTES(""), 0},
    {BYTES("abc"), 3},
    {BYTES("a\0b"), 3},
    {BYTES("\x7F"), 1},
    {BYTES("\x80"), 0},
    {BYTES("a\xBF"), 1},
    {BYTES("\xC0\x80"), 0},
    {BYTES("\xC1\xBF"), 0},
    {BYTES("\xC2\x80"), 2},
    {BYTES("\xDF\xBF"), 2},
    {BYTES("\xC2"), 0},
    {BYTES("ab\xC3"), 2},
    {BYTES("\xC2\x7F"), 0},
    {BYTES("\xC2\xC0"), 0},
    {BYTES("\xE0\x9F\xBF"), 0},
    {BYTES("\xE0\xA0\x80"), 3},
    {BYTES("\xE0\xA0"), 0},
    {BYTES("\xE1\x80\x80"), 3},
    {BYTES("\xE2\x82\xAC"), 3},
    {BYTES("\xE2\x82"), 0},
    {BYTES("\xE2\x82\x7F"), 0},
    {BYTES("\xEC\xBF\xBF"), 3},
    {BYTES("\xED\x9F\xBF"), 3},
    {BYTES("\xED\xA0\x80"), 0},
    {BYTES("\xED\xBF\xBF"), 0},
    {BYTES("\xEE\x80\x80"), 3},
    {BYTES("\xEF\xBB\xBF"), 3},
    {BYTES("\xEF\xBF\xBF"), 3},
    {BYTES("\xF0\x8F\xBF\xBF"), 0},
    {BYTES("\xF0\x90\x80\x80"), 4},
    {BYTES("\xF0\x9F\x98\x80"), 4},
    {BYTES("\xF0\x9F\x98"), 0},
    {BYTES("\xF0\x9F\x98\x7F"), 0},
    {BYTES("\xF0\x9F\x7F\x80"), 0},
    {BYTES("\xF3\xBF\xBF\xBF"), 4},
    {BYTES("\xF4\x8F\xBF\xBF"), 4},
    {BYTES("\xF4\x90\x80\x80"), 0},
    {BYTES("\xF5\x80\x80\x80"), 0},
    {BYTES("\xF8\x88\x80\x80\x80"), 0},
    {BYTES("\xFE"), 0},
    {BYTES("\xFF"), 0},
    {BYTES("é€😀z"), 10},
    {BYTES("é€😀z\xFF"), 10},
};

Test(utf8, check)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t good = utf8_check(cases[i].bytes, cases[i].n);
        cr_expect_eq(good, cases[i].good, "case %zu gave %zu", i, good);
    }
    cr_expect_eq(utf8_check(NULL, 0), 0);
}

/* Every code point, encoded by hand, and no surrogate. */
Test(utf8, every_code_point)
{
    for (unsigned c = 0; c < 0x110000; c++) {
        char bytes[4] = {(char)c};
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = 0; i < n && n > 1; i++) {
            unsigned part = c >> (6 * (n - 1 - i));
            bytes[i] = (char)(i == 0 ? marks[n] | part : 0x80 | (part & 0x3F));
        }
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        cr_assert_eq(utf8_char_size(bytes, n), surrogate ? 0 : n, "U+%04X", c);
    }
}

#define LONG_255                                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
_Static_assert(sizeof LONG_255 - 1 == NAME_MAX_BYTES, "the longest name");

Test(utf8, names)
{
    static const struct {
        const char *name;
        size_t n;
        const char *reason; /* NULL: good */
        const char *message;
    } names[] = {
        {BYTES("a"), NULL, NULL},
        {BYTES("billing-service_2.v1"), NULL, NULL},
        {BYTES("größe 😀"), NULL, NULL},
        {BYTES(" "), NULL, NULL},
        {BYTES("..."), NULL, NULL},
        {BYTES(".a"), NULL, NULL},
        {BYTES("a."), NULL, NULL},
        {BYTES("."), "NAME_DOTS", "service_name is \".\", which stands for a folder in paths"},
        {BYTES(".."), "NAME_DOTS", "service_name is \"..\", which stands for a folder in paths"},
        {BYTES("a\\b?#%:"), NULL, NULL},
        {BYTES("\xC2\xA0"), NULL, NULL},
        {BYTES(LONG_255), NULL, NULL},
        {BYTES(""), "NAME_EMPTY", "service_name is empty; 1 to 255 bytes are needed"},
        {BYTES(LONG_255 "a"), "NAME_TOO_LONG", "service_name has 256 bytes, the limit is 255"},
        {BYTES("ab\xFF"), "NAME_NOT_UTF8", "service_name is not UTF-8 at byte 2"},
        {BYTES("a/b"), "NAME_CHARACTER", "service_name has a slash at byte 1"},
        {BYTES("\0"), "NAME_CHARACTER", "service_name has a control character at byte 0"},
        {BYTES("a\n"), "NAME_CHARACTER", "service_name has a control character at byte 1"},
        {BYTES("a\x1F"), "NAME_CHARACTER", "service_name has a control character at byte 1"},
        {BYTES("é\x7F"), "NAME_CHARACTER", "service_name has a control character at byte 2"},
        {BYTES("a\xC2\x80"), "NAME_CHARACTER", "service_name has a control character at byte 1"},
        {BYTES("\xC2\x9F"), "NAME_CHARACTER", "service_name has a control character at byte 0"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct status st = {0};
        bool good = name_check(names[i].name, names[i].n, "service_name", &st);
        cr_expect_eq(good, names[i].reason == NULL, "name %zu", i);
        bool dots = !good && strcmp(names[i].reason, "NAME_DOTS") == 0;
        struct status unused;
        cr_expect_eq(name_prefix_check(names[i].name, names[i].n, "prefix", &unused), good || dots);
        if (!good) {
            cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
            cr_expect_str_eq(st.field, "service_name");
            cr_expect_str_eq(st.reason, names[i].reason);
            cr_expect_str_eq(st.message, names[i].message);
        }
    }
}

Test(utf8, texts)
{
    static const struct {
        const char *text;
        size_t n, limit;
        const char *reason;
        const char *message;
    } texts[] = {
        {BYTES(""), 0, NULL, NULL},
        {NULL, 0, 5, NULL, NULL},
        {BYTES("hello"), 5, NULL, NULL},
        {BYTES("a/b\n\t\x7F"), 10, NULL, NULL},
        {BYTES("hello!"), 5, "TEXT_TOO_LONG", "comment has 6 bytes, the limit is 5"},
        {BYTES("a\xED\xA0\x80"), 10, "TEXT_NOT_UTF8", "comment is not UTF-8 at byte 1"},
        {BYTES("ab\0c"), 10, "TEXT_NUL", "comment has a NUL at byte 2"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct status st = {0};
        bool good = text_check(texts[i].text, texts[i].n, texts[i].limit, "comment", &st);
        cr_expect_eq(good, texts[i].reason == NULL, "text %zu", i);
        if (!good) {
            cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
            cr_expect_str_eq(st.field, "comment");
            cr_expect_str_eq(st.reason, texts[i].reason);
            cr_expect_str_eq(st.message, texts[i].message);
        }
    }
}
