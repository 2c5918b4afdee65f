#include <stdio.h>
#include <string.h>

#include "json.h"
#include "json_cases.h"
#include "leak_check.h"

TestSuite(json_check, .fini = leak_check);

static const struct json_limits usual = {1 << 20, 64};

static void expect_case(const struct json_case *c, size_t number)
{
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    bool good = json_check_value(c->text, c->len, &usual, "payload", NULL, &json, &st);
    cr_expect_eq(good, c->reason == NULL, "case %zu: %s: %s", number, c->text, st.message);
    if (good && c->reason == NULL) {
        const char *wanted = c->minified == NULL ? c->text : c->minified;
        cr_expect_eq(json->len, strlen(wanted), "case %zu: %s", number, c->text);
        cr_expect_str_eq((const char *)json->data, wanted);
    } else if (!good && c->reason != NULL) {
        cr_expect_str_eq(st.reason, c->reason, "case %zu: %s: %s", number, c->text, st.reason);
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_str_eq(st.field, "payload");
    }
}

Test(json_check, strictness)
{
    cr_assert_geq(n_json_cases, 180);
    for (size_t i = 0; i < n_json_cases; i++) {
        expect_case(&json_cases[i], i);
    }
}

/* The verdict is the same wherever a value stands. */
Test(json_check, strictness_within_an_object)
{
    for (size_t i = 0; i < n_json_cases; i++) {
        const struct json_case *c = &json_cases[i];
        AUTO_STR text = {0};
        AUTO_STR wanted = {0};
        str_add_text(&text, "{\"x\": [");
        str_add(&text, c->text, c->len);
        str_add_text(&text, "] }");
        str_addf(&wanted, "{\"x\":[%s]}", c->minified == NULL ? c->text : c->minified);
        /* Left out: what becomes well-formed between the brackets. */
        static const char *const others[] = {"", " ", "\n\t\r ", "1,0"};
        bool other = false;
        for (size_t o = 0; o < COUNT_OF(others); o++) {
            other |= c->len == strlen(others[o]) && memcmp(c->text, others[o], c->len) == 0;
        }
        if (!other) {
            expect_case(&(struct json_case){text.data, text.len, c->reason, wanted.data}, i);
        }
    }
}

/* A text that ends at any byte is refused or is a whole value itself; memory behind it is not read.
 */
Test(json_check, every_beginning_of_a_text)
{
    const char *text = "{\"a\\u00e9\\n\":[1.5e3,true,null,\"\\ud83d\\ude00\"],\"b\":{}}";
    for (size_t n = 0; n < strlen(text); n++) {
        AUTO(free) char *part = mem_alloc(n);
        memcpy(part, text, n);
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st;
        cr_expect_not(json_check(part, n, &usual, "payload", &json, &st), "%zu bytes", n);
        cr_expect_str_eq(st.reason, "JSON_SYNTAX");
    }
}

Test(json_check, minifying_again_changes_nothing)
{
    for (size_t i = 0; i < n_json_cases; i++) {
        if (json_cases[i].reason == NULL) {
            const char *minified =
                json_cases[i].minified == NULL ? json_cases[i].text : json_cases[i].minified;
            expect_case(&(struct json_case){minified, strlen(minified), NULL, NULL}, i);
        }
    }
}

Test(json_check, only_objects_are_objects)
{
    static const char *const cases[][3] = {
        {"[]", "JSON_NOT_OBJECT", "config_data is an array, not an object"},
        {" \"{}\"", "JSON_NOT_OBJECT", "config_data is a string, not an object"},
        {"1", "JSON_NOT_OBJECT", "config_data is a number, not an object"},
        {"true", "JSON_NOT_OBJECT", "config_data is true, not an object"},
        {"false", "JSON_NOT_OBJECT", "config_data is false, not an object"},
        {"null", "JSON_NOT_OBJECT", "config_data is null, not an object"},
        {"[", "JSON_SYNTAX", "config_data ends too early at byte 1"},
        {"{\"a\":01}", "JSON_SYNTAX", "config_data is not well-formed JSON at byte 5"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st;
        cr_assert_not(
            json_check(cases[i][0], strlen(cases[i][0]), &usual, "config_data", &json, &st));
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_str_eq(st.field, "config_data");
        cr_expect_str_eq(st.reason, cases[i][1]);
        cr_expect_str_eq(st.message, cases[i][2]);
    }
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert(json_check(" { \"a\" : 1 } ", 13, &usual, "config_data", &json, &st));
    cr_expect_str_eq((const char *)json->data, "{\"a\":1}");
}

Test(json_check, no_text_at_all)
{
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    size_t offset = 99;
    cr_expect_not(json_check_value(NULL, 0, &usual, "payload", &offset, &json, &st));
    cr_expect_str_eq(st.message, "payload ends too early at byte 0");
    cr_expect_eq(offset, 0);
}

Test(json_check, faults_have_their_place)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *message;
    } cases[] = {
        {"{\"a\": nope}", 6, "payload is not well-formed JSON at byte 6"},
        {"{\"a\": 1,}", 8, "payload is not well-formed JSON at byte 8"},
        {"[1 2]", 3, "payload is not well-formed JSON at byte 3"},
        {"[1, 2", 5, "payload ends too early at byte 5"},
        {"{} x", 3, "payload goes on behind its value at byte 3"},
        {"[\"abc\xFF\"]", 5, "payload is not UTF-8 at byte 5"},
        {"\xEF\xBB\xBF{}", 0, "payload starts with a byte order mark at byte 0"},
        {"[ 1e999]", 2, "payload has a number beyond 64-bit integers and doubles at byte 2"},
        {"[99999999999999999999]", 1,
         "payload has a number beyond 64-bit integers and doubles at byte 1"},
        {"{\"a\":1,\"a\":2}", 9, "payload has a key twice in one object at byte 9"},
        {"{\"a\\u0000\":2}", 9, "payload has a key with \\u0000 at byte 9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st;
        size_t offset;
        cr_assert_not(json_check_value(cases[i].text, strlen(cases[i].text), &usual, "payload",
                                       &offset, &json, &st));
        cr_expect_eq(offset, cases[i].offset, "%s: %zu", cases[i].text, offset);
        cr_expect_str_eq(st.message, cases[i].message);
    }
}

static void add_many(struct str *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        str_add_text(out, text);
    }
}

static bool check_depth(const char *opening, const char *closing, size_t depth, size_t limit,
                        struct status *st)
{
    AUTO_STR text = {0};
    add_many(&text, opening, depth);
    str_add_text(&text, "1");
    add_many(&text, closing, depth);
    AUTO(buf_unref) struct buf *json = NULL;
    struct json_limits limits = {1 << 30, limit};
    return json_check_value(text.data, text.len, &limits, "payload", NULL, &json, st);
}

Test(json_check, depth)
{
    struct status st;
    cr_expect(check_depth("[", "]", 64, 64, &st));
    cr_expect(check_depth("{\"a\":", "}", 64, 64, &st));
    cr_expect(check_depth("[", "]", JSON_DEPTH_MAX, JSON_DEPTH_MAX, &st));
    cr_expect(check_depth("", "", 0, 0, &st));
    cr_expect_not(check_depth("[", "]", 1, 0, &st));
    cr_expect_not(check_depth("[", "]", JSON_DEPTH_MAX + 1, JSON_DEPTH_MAX, &st));
    cr_expect_not(check_depth("[{\"[\":", "}]", 33, 64, &st));
    cr_assert_not(check_depth("{\"a\":", "}", 65, 64, &st));
    cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(st.reason, "JSON_DEPTH");
    cr_expect_str_eq(st.message,
                     "payload nests 65 levels deep, the limit is 64 (passed at byte 320)");
    cr_assert_eq(st.n_info, 2);
    cr_expect_str_eq(st.info[0].key, "limit");
    cr_expect_str_eq(st.info[0].value, "64");
    cr_expect_str_eq(st.info[1].key, "found");
    cr_expect_str_eq(st.info[1].value, "65");
}

Test(json_check, brackets_without_end)
{
    AUTO_STR text = {0};
    add_many(&text, "[", 1000000);
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert_not(json_check(text.data, text.len, &usual, "payload", &json, &st));
    cr_expect_str_eq(st.reason, "JSON_DEPTH");
}

Test(json_check, brackets_in_strings_and_side_by_side_are_not_deep)
{
    AUTO_STR text = {0};
    str_add_text(&text, "[\"");
    add_many(&text, "[{\\\"", 100);
    str_add_text(&text, "\"");
    add_many(&text, ",[{}]", 100);
    str_add_text(&text, "]");
    AUTO(buf_unref) struct buf *json = NULL;
    struct json_limits limits = {1 << 20, 3};
    struct status st;
    cr_expect(json_check_value(text.data, text.len, &limits, "payload", NULL, &json, &st));
}

Test(json_check, size_at_its_edges)
{
    const char *text = " { \"a b\" : [ 1 , 2 ] } ";
    size_t n = strlen("{\"a b\":[1,2]}");
    struct json_limits limits = {n, 64};
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert(json_check(text, strlen(text), &limits, "payload", &json, &st));
    cr_expect_eq(json->len, n);
    limits.max_bytes = n - 1;
    AUTO(buf_unref) struct buf *none = NULL;
    cr_assert_not(json_check(text, strlen(text), &limits, "payload", &none, &st));
    cr_expect_null(none);
    cr_expect_eq(st.code, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_str_eq(st.field, "payload");
    cr_expect_str_eq(st.reason, "JSON_TOO_LARGE");
    cr_expect_str_eq(st.message, "payload has 13 bytes without white space, the limit is 12");
    cr_assert_eq(st.n_info, 2);
    cr_expect_str_eq(st.info[0].value, "12");
    cr_expect_str_eq(st.info[1].value, "13");
}

Test(json_check, white_space_does_not_count)
{
    AUTO_STR text = {0};
    str_add_text(&text, "{");
    add_many(&text, " \n\t\r", 1 << 20);
    str_add_text(&text, "\"  \":1}");
    struct json_limits limits = {8, 64};
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert(json_check(text.data, text.len, &limits, "payload", &json, &st));
    cr_expect_str_eq((const char *)json->data, "{\"  \":1}");
}

Test(json_check, size_comes_before_depth_and_syntax)
{
    AUTO_STR text = {0};
    add_many(&text, "[", 100);
    struct json_limits limits = {99, 64};
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert_not(json_check(text.data, text.len, &limits, "payload", &json, &st));
    cr_expect_str_eq(st.reason, "JSON_TOO_LARGE");
}

Test(json_check, long_tokens)
{
    AUTO_STR text = {0};
    str_add_text(&text, "{\"");
    add_many(&text, "k", 100000);
    str_add_text(&text, "\":[0.");
    add_many(&text, "3", 100000);
    str_add_text(&text, ",\"");
    add_many(&text, "\\u00e9", 100000);
    str_add_text(&text, "\"]}");
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_assert(json_check(text.data, text.len, &usual, "payload", &json, &st), "%s", st.message);
    cr_expect(json->len == text.len && memcmp(json->data, text.data, text.len) == 0);
}

Test(json_check, many_keys)
{
    AUTO_STR text = {0};
    for (int i = 0; i < 50000; i++) {
        str_addf(&text, "%c\"key-%d\":%d", i == 0 ? '{' : ',', i, i);
    }
    str_add_text(&text, "}");
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    cr_expect(json_check(text.data, text.len, &usual, "payload", &json, &st));
    text.data[text.len - 1] = ',';
    str_add_text(&text, "\"key-49999\":0}");
    cr_expect_not(json_check(text.data, text.len, &usual, "payload", &json, &st));
    cr_expect_str_eq(st.reason, "JSON_DUPLICATE_KEY");
}
