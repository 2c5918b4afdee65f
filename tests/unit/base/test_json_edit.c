#include <string.h>

#include "json.h"
#include "json_model.h"
#include "leak_check.h"

TestSuite(json_edit, .fini = leak_check);

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

Test(json_edit, equality)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1.0", true},
        {"1", "1e0", true},
        {"100", "1E2", true},
        {"0", "-0", true},
        {"0", "-0.0", true},
        {"0", "0e999999999999", true},
        {"-0.00e-5", "0.0", true},
        {"0", "1e-400", false},
        {"1e-400", "1e-401", false},
        {"1e-400", "10E-401", true},
        {"1e-400", "-1e-400", false},
        {"0.1", "0.10", true},
        {"0.1", "0.10000000000000001", false},
        {"0.1", "1e-1", true},
        {"0.01", "0.1", false},
        {"10", "1e1", true},
        {"10", "1", false},
        {"10.01", "1001e-2", true},
        {"10.01", "1.001e+00001", true},
        {"0.00120", "1.2e-3", true},
        {"123456789012345678.5", "123456789012345678.25", false},
        {"123456789012345678.50", "123456789012345678.5", true},
        {"123456789012345678901234567890.0", "123456789012345678901234567891.0", false},
        {"1e-999999999999", "10e-1000000000000", true},
        {"1e-999999999999", "1e-1000000000000", false},
        {"1e-99999999999999999999999999999999", "0.1e-99999999999999999999999999999998", true},
        {"1e-99999999999999999999999999999999", "1e-99999999999999999999999999999998", false},
        {"1e-100000000000000000000000000000000", "10e-100000000000000000000000000000001", true},
        {"1e-10000000000000000000000000000000000", "1e-1", false},
        {"1e-18446744073709551617", "1e-1", false},
        {"1", "2", false},
        {"1", "1.5", false},
        {"-1", "1", false},
        {"9007199254740993", "9007199254740993.00", true},
        {"9007199254740992", "9007199254740993.0", false},
        {"9007199254740993", "9007199254740992", false},
        {"9223372036854775807", "9223372036854775807.0", true},
        {"9223372036854775807", "9223372036854775808.0", false},
        {"9223372036854775806", "9223372036854775807", false},
        {"-9223372036854775808", "-9223372036854775808.0", true},
        {"-9223372036854775808", "-9.3e18", false},
        {"9223372036854774784", "9.223372036854774784e18", true},
        {"0", "5e-324", false},
        {"1", "1.0000000000000002", false},
        {"1e308", "1.0e308", true},
        {"1", "true", false},
        {"0", "false", false},
        {"true", "false", false},
        {"null", "false", false},
        {"null", "0", false},
        {"null", "null", true},
        {"\"1\"", "1", false},
        {"\"a\"", "\"\\u0061\"", true},
        {"\"\\/\"", "\"/\"", true},
        {"\"é\"", "\"\\u00E9\"", true},
        {"\"é\"", "\"e\\u0301\"", false},
        {"\"\\ud83d\\ude00\"", "\"😀\"", true},
        {"\"a\\u0000\"", "\"a\"", false},
        {"\"a\\u0000b\"", "\"a\\u0000c\"", false},
        {"\"a\"", "\"b\"", false},
        {"[]", "{}", false},
        {"[]", "[]", true},
        {"[1,2]", "[1.0,2.0]", true},
        {"[1,2]", "[2,1]", false},
        {"[[0.1]]", "[[0.10000000000000001]]", false},
        {"{\"a\":[{\"b\":1e-400}]}", "{\"a\":[{\"b\":0}]}", false},
        {"{\"a\":[{\"b\":1e-400}]}", "{\"a\":[{\"b\":10e-401}]}", true},
        {"[1]", "[1,2]", false},
        {"[1,2]", "[1]", false},
        {"[]", "[null]", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2.0,\"a\":1}", true},
        {"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":1}", "{\"a\":2}", false},
        {"{\"a\":null}", "{}", false},
        {"{\"a\":1}", "{\"\\u0061\":1}", true},
        {"{\"a\":{\"x\":[1,{\"y\":2}]}}", "{\"a\":{\"x\":[1,{\"y\":2.0}]}}", true},
        {"{\"a\":{\"x\":[1,{\"y\":2}]}}", "{\"a\":{\"x\":[1,{\"y\":3}]}}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_text a = text_of(cases[i].a);
        struct json_text b = text_of(cases[i].b);
        cr_expect_eq(json_text_equal(a, b), cases[i].equal, "%s %s", cases[i].a, cases[i].b);
        cr_expect_eq(json_text_equal(b, a), cases[i].equal, "%s %s", cases[i].b, cases[i].a);
    }
}

static void list_changes(const char *old_text, const char *new_text, struct str *out)
{
    static const char *const names[] = {"added", "removed", "changed"};
    struct json_diff diff;
    json_diff_objects(text_of(old_text), text_of(new_text), &diff);
    for (size_t i = 0; i < diff.n; i++) {
        struct json_change c = diff.changes[i];
        str_addf(out, "%s %.*s", names[c.kind], (int)c.key.len, c.key.data);
        str_addf(out, " %.*s>", (int)c.old_value.len, c.old_value.data);
        str_addf(out, "%.*s; ", (int)c.new_value.len, c.new_value.data);
    }
    json_diff_fini(&diff);
    cr_expect(diff.changes == NULL && diff.n == 0);
}

Test(json_edit, differences)
{
    static const char *const cases[][3] = {
        {"{}", "{}", ""},
        {"{\"a\":1}", "{\"a\":1.0}", ""},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", ""},
        {"{\"a\":1}", "{\"\\u0061\":1}", ""},
        {"{}", "{\"a\":1}", "added \"a\" >1; "},
        {"{\"a\":1}", "{}", "removed \"a\" 1>; "},
        {"{\"a\":1}", "{\"\\u0061\":true}", "changed \"a\" 1>true; "},
        {"{\"a\":null}", "{\"b\":null}", "removed \"a\" null>; added \"b\" >null; "},
        {"{\"z\":1,\"y\":[2],\"x\":3,\"w\":4}", "{\"n\":0,\"w\":5,\"y\":[2.5],\"m\":1,\"x\":3}",
         "removed \"z\" 1>; changed \"y\" [2]>[2.5]; changed \"w\" 4>5; added \"n\" >0; "
         "added \"m\" >1; "},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}", "changed \"a\" {\"b\":1}>{\"b\":2}; "},
        {"{\"a\":0.1,\"b\":1}", "{\"a\":0.10000000000000001,\"b\":10e-1}",
         "changed \"a\" 0.1>0.10000000000000001; "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR out = {0};
        list_changes(cases[i][0], cases[i][1], &out);
        cr_expect_str_eq(str_text(&out), cases[i][2]);
    }
    json_diff_fini(NULL);
}

static void expect_merge(const char *target, const char *patch, const char *wanted)
{
    AUTO_STR out = {0};
    json_merge(text_of(target), text_of(patch), &out);
    cr_expect_str_eq(out.data, wanted, "%s + %s = %s", target, patch, out.data);
}

/* RFC 7396, appendix A. */
Test(json_edit, merge_as_the_rfc_shows)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_merge(cases[i][0], cases[i][1], cases[i][2]);
    }
}

/* RFC 7396, section 3. */
Test(json_edit, merge_of_the_rfc_article)
{
    expect_merge(
        "{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
        "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
        "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\","
        "\"author\":{\"familyName\":null},\"tags\":[\"example\"]}",
        "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
        "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}");
}

Test(json_edit, merge_keeps_order_spelling_and_digits)
{
    expect_merge("{\"z\":1.0,\"a\":1E5}", "{}", "{\"z\":1.0,\"a\":1E5}");
    expect_merge("{\"z\":1.0,\"\\u0061\":1}", "{\"n\":2.50,\"a\":-0}",
                 "{\"z\":1.0,\"\\u0061\":-0,\"n\":2.50}");
    expect_merge("{\"a\":1,\"b\":2}", "{\"\\u0061\":null}", "{\"b\":2}");
    expect_merge("{\"a\":1}", "{\"c\":[null,{\"x\":null}],\"b\":{\"y\":null,\"x\":{}}}",
                 "{\"a\":1,\"c\":[null,{\"x\":null}],\"b\":{\"x\":{}}}");
    expect_merge("1", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}");
    expect_merge("{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}");
}

Test(json_edit, merge_adds_to_what_is_there)
{
    AUTO_STR out = {0};
    str_add_text(&out, "x{");
    json_merge(text_of("{}"), text_of("{\"a\":1,\"b\":2}"), &out);
    cr_expect_str_eq(out.data, "x{{\"a\":1,\"b\":2}");
}

static void expect_patch(const char *old_text, const char *new_text, const char *wanted)
{
    AUTO_STR out = {0};
    json_patch_between(text_of(old_text), text_of(new_text), &out);
    cr_expect_str_eq(out.data, wanted, "%s -> %s: %s", old_text, new_text, out.data);
    AUTO(free) char *applied = model_apply(old_text, out.data);
    cr_assert_not_null(applied, "%s does not apply to %s", out.data, old_text);
    cr_expect(model_equal(applied, new_text), "%s gave %s", out.data, applied);
}

/* RFC 6902, appendix A, where a patch consists of add, remove and replace. */
Test(json_edit, patch_as_the_rfc_shows)
{
    expect_patch("{\"foo\":\"bar\"}", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
                 "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]");
    expect_patch("{\"baz\":\"qux\",\"foo\":\"bar\"}", "{\"foo\":\"bar\"}",
                 "[{\"op\":\"remove\",\"path\":\"/baz\"}]");
    expect_patch("{\"baz\":\"qux\",\"foo\":\"bar\"}", "{\"baz\":\"boo\",\"foo\":\"bar\"}",
                 "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]");
    expect_patch("{\"foo\":\"bar\"}", "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}",
                 "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]");
    expect_patch("{\"foo\":[\"bar\"]}", "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}",
                 "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]");
    expect_patch("{\"/\":9,\"~1\":10}", "{\"/\":9,\"~1\":11}",
                 "[{\"op\":\"replace\",\"path\":\"/~01\",\"value\":11}]");
}

/* RFC 6901, section 5: the pointer to each member of its document. */
Test(json_edit, pointers_as_the_rfc_shows)
{
    static const char *const cases[][2] = {
        {"foo", "/foo"},
        {"", "/"},
        {"a/b", "/a~1b"},
        {"c%d", "/c%d"},
        {"e^f", "/e^f"},
        {"g|h", "/g|h"},
        {"i\\\\j", "/i\\\\j"},
        {"k\\\"l", "/k\\\"l"},
        {" ", "/ "},
        {"m~n", "/m~0n"},
        {"~1", "/~01"},
        {"~0", "/~00"},
        {"/~", "/~1~0"},
        {"\\u00e9", "/é"},
        {"\\/", "/~1"},
        {"\\u007e", "/~0"},
        {"\\n\\u0001", "/\\n\\u0001"},
        {"0", "/0"},
        {"-", "/-"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR before = {0};
        AUTO_STR after = {0};
        AUTO_STR wanted = {0};
        str_addf(&before, "{\"%s\":1}", cases[i][0]);
        str_addf(&after, "{\"%s\":2}", cases[i][0]);
        str_addf(&wanted, "[{\"op\":\"replace\",\"path\":\"%s\",\"value\":2}]", cases[i][1]);
        expect_patch(before.data, after.data, wanted.data);
    }
}

Test(json_edit, patches)
{
    static const char *const cases[][3] = {
        {"{}", "{}", "[]"},
        {"1", "1.0", "[]"},
        {"{\"a\":1,\"b\":[1]}", "{\"b\":[1.0],\"\\u0061\":1}", "[]"},
        {"1", "2", "[{\"op\":\"replace\",\"path\":\"\",\"value\":2}]"},
        {"{}", "[]", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]"},
        {"{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":1.5}}}",
         "[{\"op\":\"replace\",\"path\":\"/a/b/c\",\"value\":1.5}]"},
        {"{\"a\":{\"b\":1}}", "{\"a\":[1]}",
         "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[1]}]"},
        {"{\"x\":1,\"y\":2}", "{\"z\":3,\"y\":4}",
         "[{\"op\":\"remove\",\"path\":\"/x\"},{\"op\":\"replace\",\"path\":\"/y\",\"value\":4},"
         "{\"op\":\"add\",\"path\":\"/z\",\"value\":3}]"},
        {"[1,2,3,4]", "[1,9]",
         "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":9},{\"op\":\"remove\",\"path\":\"/3\"},"
         "{\"op\":\"remove\",\"path\":\"/2\"}]"},
        {"{\"a\":[0.1,1e-400]}", "{\"a\":[0.10000000000000001,0.1e-399]}",
         "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":0.10000000000000001}]"},
        {"[]", "[1,[2]]",
         "[{\"op\":\"add\",\"path\":\"/-\",\"value\":1},{\"op\":\"add\",\"path\":\"/"
         "-\",\"value\":[2]"
         "}]"},
        {"[1]", "[]", "[{\"op\":\"remove\",\"path\":\"/0\"}]"},
        {"[{\"a\":1},{\"b\":2}]", "[{\"a\":1},{\"b\":3}]",
         "[{\"op\":\"replace\",\"path\":\"/1/b\",\"value\":3}]"},
        {"{\"a\":null}", "{\"b\":null}",
         "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"add\",\"path\":\"/b\",\"value\":null}]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_patch(cases[i][0], cases[i][1], cases[i][2]);
    }
}

/* A long key above many changes must not be written once for each of them. */
Test(json_edit, a_patch_does_not_outgrow_its_documents)
{
    AUTO_STR before = {0};
    AUTO_STR after = {0};
    str_add_text(&before, "{\"");
    memset(str_extend(&before, 20000), 'k', 20000);
    str_add_text(&before, "\":[");
    str_add(&after, before.data, before.len);
    for (int i = 0; i < 5000; i++) {
        str_addf(&before, "%s%d", i == 0 ? "" : ",", i);
        str_addf(&after, "%s%d", i == 0 ? "" : ",", i + 1);
    }
    str_add_text(&before, "]}");
    str_add_text(&after, "]}");
    AUTO_STR wanted = {0};
    str_addf(&wanted, "[{\"op\":\"replace\",\"path\":\"\",\"value\":%s}]", after.data);
    AUTO_STR out = {0};
    str_add_text(&out, "kept");
    json_patch_between((struct json_text){before.data, before.len},
                       (struct json_text){after.data, after.len}, &out);
    cr_expect(strncmp(out.data, "kept", 4) == 0 && strcmp(out.data + 4, wanted.data) == 0);
}

/* The applier of these tests refuses what does not apply. */
Test(json_edit, the_applier_is_strict)
{
    static const char *const cases[][2] = {
        {"{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]"},
        {"{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]"},
        {"[1]", "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":1}]"},
        {"[1]", "[{\"op\":\"remove\",\"path\":\"/-\"}]"},
        {"[1]", "[{\"op\":\"remove\",\"path\":\"/00\"}]"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]"},
        {"{}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/a\"}]"},
        {"{}", "[{\"op\":\"copy\",\"path\":\"/a\",\"value\":1}]"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(free) char *applied = model_apply(cases[i][0], cases[i][1]);
        cr_expect_null(applied, "%s", cases[i][1]);
    }
}
