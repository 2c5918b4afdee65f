#include "percent.h"

#include <string.h>

#include "leak_check.h"
#include "random.h"

TestSuite(percent, .fini = leak_check);

Test(percent, decode)
{
    static const struct {
        const char *text, *query, *path;
        size_t n;
    } cases[] = {
        {"", "", "", 0},
        {"abc", "abc", "abc", 3},
        {"a%20b", "a b", "a b", 3},
        {"a+b", "a b", "a+b", 3},
        {"a%2Bb", "a+b", "a+b", 3},
        {"%2f%2F", "//", "//", 2},
        {"%41%5a%5A", "AZZ", "AZZ", 3},
        {"%C3%A9", "é", "é", 2},
        {"%ff", "\xff", "\xff", 1},
        {"%00x", "\0x", "\0x", 2},
        {"%", "%", "%", 1},
        {"%4", "%4", "%4", 2},
        {"%zz", "%zz", "%zz", 3},
        {"%4g", "%4g", "%4g", 3},
        {"%g4", "%g4", "%g4", 3},
        {"%%41", "%A", "%A", 2},
        {"%2541", "%41", "%41", 3},
        {"%@1%1`", "%@1%1`", "%@1%1`", 6},
        {"100%", "100%", "100%", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_STR query = {0};
        AUTO_STR path = {0};
        percent_decode(cases[i].text, strlen(cases[i].text), true, &query);
        percent_decode(cases[i].text, strlen(cases[i].text), false, &path);
        cr_expect(query.len == cases[i].n &&
                      memcmp(str_text(&query), cases[i].query, cases[i].n) == 0,
                  "%s", cases[i].text);
        cr_expect(path.len == cases[i].n && memcmp(str_text(&path), cases[i].path, cases[i].n) == 0,
                  "%s", cases[i].text);
    }
}

Test(percent, decode_stays_within_its_bytes)
{
    AUTO_STR out = {0};
    percent_decode("%41", 2, false, &out);
    cr_expect_str_eq(str_text(&out), "%4");
}

Test(percent, encode)
{
    AUTO_STR out = {0};
    const char *kept = "azAZ09-._~";
    percent_encode(kept, strlen(kept), &out);
    cr_expect_str_eq(out.data, kept);
    str_clear(&out);
    percent_encode("a/b c+d%é@`[{", 14, &out);
    cr_expect_str_eq(out.data, "a%2Fb%20c%2Bd%25%C3%A9%40%60%5B%7B");
    str_clear(&out);
    percent_encode("\0", 1, &out);
    cr_expect_str_eq(out.data, "%00");
}

Test(percent, all_bytes_come_back)
{
    char bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)i;
    }
    AUTO_STR encoded = {0};
    percent_encode(bytes, sizeof bytes, &encoded);
    for (int plus_is_blank = 0; plus_is_blank < 2; plus_is_blank++) {
        AUTO_STR back = {0};
        percent_decode(encoded.data, encoded.len, plus_is_blank == 1, &back);
        cr_expect(back.len == sizeof bytes && memcmp(back.data, bytes, sizeof bytes) == 0);
    }
}

/* The parameters of a query as "name>value|". */
static void list(const char *query, struct str *out)
{
    struct query_parameter p;
    for (size_t position = 0; query_next(query, strlen(query), &position, &p);) {
        str_addf(out, "%.*s>%.*s|", (int)p.n_name, p.name, (int)p.n_value, p.value);
    }
}

Test(percent, query)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=1", "a>1|"},
        {"a=1&b=2", "a>1|b>2|"},
        {"a", "a>|"},
        {"a=", "a>|"},
        {"a&b=", "a>|b>|"},
        {"=1", ">1|"},
        {"=", ">|"},
        {"&", ""},
        {"&&a=1&&b&", "a>1|b>|"},
        {"a=b=c", "a>b=c|"},
        {"a=1&a=2", "a>1|a>2|"},
        {"a%26=%3D+x", "a%26>%3D+x|"},
        {"a;b=1", "a;b>1|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_STR out = {0};
        list(cases[i][0], &out);
        cr_expect_str_eq(str_text(&out), cases[i][1]);
    }
    struct query_parameter p;
    size_t position = 0;
    cr_expect_not(query_next(NULL, 0, &position, &p));
}
