#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "json_depth.h"
#include "leak_check.h"

TestSuite(json_walk, .fini = leak_check);

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static void expect_text(struct json_text got, const char *wanted)
{
    cr_expect(got.len == strlen(wanted) && memcmp(got.data, wanted, got.len) == 0, "%.*s is not %s",
              (int)got.len, got.data, wanted);
}

Test(json_walk, types)
{
    static const struct {
        const char *text;
        enum json_type type;
    } cases[] = {
        {"{}", JSON_OBJECT},       {"{\"a\":1}", JSON_OBJECT}, {"[]", JSON_ARRAY},
        {"\"true\"", JSON_STRING}, {"0", JSON_NUMBER},         {"-1.5e3", JSON_NUMBER},
        {"true", JSON_TRUE},       {"false", JSON_FALSE},      {"null", JSON_NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(json_type_of(text_of(cases[i].text)), cases[i].type, "%s", cases[i].text);
    }
}

Test(json_walk, nothing_has_no_type, .signal = SIGABRT)
{
    json_type_of((struct json_text){"", 0});
}

/* The members of an object as "key=value;". */
static void list_members(struct json_text object, struct str *out)
{
    struct json_text key;
    struct json_text value;
    for (size_t position = 0; json_member(object, &position, &key, &value);) {
        str_addf(out, "%.*s=%.*s;", (int)key.len, key.data, (int)value.len, value.data);
    }
}

static void list_items(struct json_text array, struct str *out)
{
    struct json_text value;
    for (size_t position = 0; json_item(array, &position, &value);) {
        str_addf(out, "%.*s;", (int)value.len, value.data);
    }
}

Test(json_walk, members)
{
    static const char *const cases[][2] = {
        {"{}", ""},
        {"{\"a\":1}", "\"a\"=1;"},
        {"{\"b\":1,\"a\":true,\"\":null}", "\"b\"=1;\"a\"=true;\"\"=null;"},
        {"{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":[]}", "\"a\"={\"b\":[1,{\"c\":2}]};\"d\"=[];"},
        {"{\"a:,}\\\"\":\"{[,:\\\\\",\"x\":\"\\\"\"}", "\"a:,}\\\"\"=\"{[,:\\\\\";\"x\"=\"\\\"\";"},
        {"{\"a\":-1.5E+3,\"b\":{}}", "\"a\"=-1.5E+3;\"b\"={};"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR out = {0};
        list_members(text_of(cases[i][0]), &out);
        cr_expect_str_eq(str_text(&out), cases[i][1]);
    }
}

Test(json_walk, items)
{
    static const char *const cases[][2] = {
        {"[]", ""},
        {"[1]", "1;"},
        {"[[]]", "[];"},
        {"[1,\"a,b\",[2,[3]],{\"x\":[4]},null]", "1;\"a,b\";[2,[3]];{\"x\":[4]};null;"},
        {"[\"]\",\"\\\"]\",\"\\\\\"]", "\"]\";\"\\\"]\";\"\\\\\";"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR out = {0};
        list_items(text_of(cases[i][0]), &out);
        cr_expect_str_eq(str_text(&out), cases[i][1]);
    }
}

/* A value that is followed by more of its document is walked to its own end only. */
Test(json_walk, spans_of_a_larger_text)
{
    struct json_text value;
    cr_assert(json_find(text_of("{\"a\":{\"b\":1},\"c\":2}"), "a", &value));
    AUTO_STR out = {0};
    list_members(value, &out);
    cr_expect_str_eq(out.data, "\"b\"=1;");
}

Test(json_walk, walking_another_type_is_our_fault, .signal = SIGABRT)
{
    size_t position = 0;
    struct json_text value;
    json_item(text_of("{}"), &position, &value);
}

Test(json_walk, find)
{
    struct json_text object =
        text_of("{\"a\":1,\"b\\\"\":2,\"\\u0063\":3,\"é\":4,\"\\ud83d\\ude00\":5,\"\":6,\"a/b\":7,"
                "\"x\":{\"deep\":8}}");
    static const char *const present[][2] = {
        {"a", "1"}, {"b\"", "2"}, {"c", "3"},   {"é", "4"},
        {"😀", "5"}, {"", "6"},    {"a/b", "7"}, {"x", "{\"deep\":8}"},
    };
    struct json_text value;
    for (size_t i = 0; i < COUNT_OF(present); i++) {
        cr_assert(json_find(object, present[i][0], &value), "%s", present[i][0]);
        expect_text(value, present[i][1]);
    }
    static const char *const absent[] = {"b", "A", "deep", "\\u0063", "a ", "aa"};
    for (size_t i = 0; i < COUNT_OF(absent); i++) {
        cr_expect_not(json_find(object, absent[i], &value), "%s", absent[i]);
    }
    cr_expect_not(json_find(text_of("{}"), "a", &value));
}

Test(json_walk, decode_strings)
{
    static const struct {
        const char *token, *text;
        size_t n;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"abc\"", "abc", 3},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"\"\\u0041\\u007f\"", "A\x7F", 2},
        {"\"\\u0080\\u07ff\"", "\xC2\x80\xDF\xBF", 4},
        {"\"\\u0800\\uFFFF\"", "\xE0\xA0\x80\xEF\xBF\xBF", 6},
        {"\"\\ud7ff\\ue000\"", "\xED\x9F\xBF\xEE\x80\x80", 6},
        {"\"\\ud800\\udc00\"", "\xF0\x90\x80\x80", 4},
        {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF", 4},
        {"\"x\\ud83d\\ude00y\\u00e9\"", "x😀yé", 8},
        {"\"é€😀\"", "é€😀", 9},
        {"\"\\\\u0041\"", "\\u0041", 6},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR out = {0};
        str_add_text(&out, ">");
        json_decode_string(text_of(cases[i].token), &out);
        cr_expect(out.len == cases[i].n + 1 && memcmp(out.data + 1, cases[i].text, cases[i].n) == 0,
                  "%s", cases[i].token);
    }
}

Test(json_walk, encode_strings)
{
    static const struct {
        const char *text;
        size_t n;
        const char *token;
    } cases[] = {
        {"", 0, "\"\""},
        {"a/b'c", 5, "\"a/b'c\""},
        {"\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\0\x01\x1F\x7F", 4, "\"\\u0000\\u0001\\u001f\x7F\""},
        {"é€😀", 9, "\"é€😀\""},
        {"a\xFF"
         "b",
         3,
         "\"a\xEF\xBF\xBD"
         "b\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR out = {0};
        json_encode_string(&out, cases[i].text, cases[i].n);
        cr_expect_str_eq(out.data, cases[i].token);
    }
    AUTO_STR out = {0};
    json_encode_string(&out, NULL, 0);
    cr_expect_str_eq(out.data, "\"\"");
}

/* Every code point survives the way through a token, and the token passes the gate. */
Test(json_walk, every_code_point_goes_there_and_back)
{
    static const struct json_limits limits = {1 << 20, 64};
    for (unsigned c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
        if (c >= 0xD800 && c <= 0xDFFF) {
            continue;
        }
        char escaped[16];
        snprintf(escaped, sizeof escaped, c < 0x10000 ? "\"\\u%04X\"" : "\"\\u%04X\\u%04x\"",
                 c < 0x10000 ? c : 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
        AUTO_STR text = {0};
        AUTO_STR token = {0};
        AUTO_STR back = {0};
        json_decode_string(text_of(escaped), &text);
        json_encode_string(&token, text.data, text.len);
        json_decode_string((struct json_text){token.data, token.len}, &back);
        cr_assert(text.len == back.len && memcmp(text.data, back.data, text.len) == 0, "U+%04X", c);
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st;
        cr_assert(json_check_value(token.data, token.len, &limits, "token", NULL, &json, &st),
                  "U+%04X: %s", c, st.message);
    }
}

Test(json_walk, depth)
{
    static const struct {
        const char *text;
        size_t depth;
    } cases[] = {
        {"1", 0},
        {"\"[[[\"", 0},
        {"null", 0},
        {"{}", 1},
        {"[]", 1},
        {"[1,2]", 1},
        {"[[],[]]", 2},
        {"{\"a\":{\"b\":[]},\"c\":[]}", 3},
        {"[[[]],[[[]]],[]]", 4},
        {"{\"{{{\":\"\\\"[\"}", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(json_depth(text_of(cases[i].text)), cases[i].depth, "%s", cases[i].text);
    }
}
