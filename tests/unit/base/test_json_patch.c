#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "json_model.h"
#include "leak_check.h"
#include "random_json.h"

TestSuite(json_patch, .fini = leak_check);

static const struct json_limits usual = {1 << 20, 64};

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* Checks a patch as a service does, and applies it. */
static bool apply(struct json_text target, const char *patch, size_t n,
                  const struct json_limits *limits, struct buf **ret_json, struct status *st)
{
    const struct json_limits more = {limits->max_bytes + JSON_PATCH_EXTRA_BYTES,
                                     limits->max_depth + JSON_PATCH_EXTRA_DEPTH};
    AUTO(buf_unref) struct buf *checked = NULL;
    return json_check_value(patch, n, &more, "p", NULL, &checked, st) &&
           json_patch_check(json_of_buf(checked), "p", st) &&
           json_patch_apply(target, json_of_buf(checked), limits, "p", ret_json, st);
}

static void expect_result(const char *target, const char *patch, const char *wanted)
{
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    cr_assert(apply(text_of(target), patch, strlen(patch), &usual, &json, &st), "%s on %s: %s",
              patch, target, st.message);
    cr_expect_str_eq((const char *)json->data, wanted, "%s on %s", patch, target);
}

static struct status expect_refusal(const char *target, const char *patch, const char *reason)
{
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    cr_expect_not(apply(text_of(target), patch, strlen(patch), &usual, &json, &st), "%s on %s",
                  patch, target);
    cr_expect_str_eq(st.reason, reason, "%s on %s: %s", patch, target, st.message);
    cr_expect_str_eq(st.field, "p");
    return st;
}

/* RFC 6902, appendix A, but A.6 and the like whose result is the same. */
Test(json_patch, as_the_rfc_shows)
{
    static const char *const cases[][3] = {
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
         "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
         "{\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
         "{\"foo\":[\"bar\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}",
         "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
         "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
        {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
         "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
         "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
        {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
         "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
         "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
        {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
         "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
         "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
         "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
        {"{\"foo\":\"bar\"}",
         "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
         "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
         "{\"/\":9,\"~1\":10}"},
        {"{\"foo\":[\"bar\"]}",
         "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
         "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_result(cases[i][0], cases[i][1], cases[i][2]);
    }
    expect_refusal("{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]",
                   "PATCH_TEST_FAILED");
    expect_refusal("{\"foo\":\"bar\"}",
                   "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", "PATCH_PATH");
    expect_refusal("{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]",
                   "PATCH_TEST_FAILED");
    expect_refusal("{\"foo\":\"bar\"}",
                   "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"op\":\"remove\"}]",
                   "JSON_DUPLICATE_KEY");
}

Test(json_patch, results)
{
    static const char *const cases[][3] = {
        {"{\"a\":1}", "[]", "{\"a\":1}"},
        /* Order, spelling and digits stay. */
        {"{\"z\":1.0,\"\\u0061\":1,\"b\":1E5}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":2.50}]",
         "{\"z\":1.0,\"\\u0061\":2.50,\"b\":1E5}"},
        {"{\"a\":{\"z\":-0,\"y\":[1.0,{}]},\"n\":18446744073709551616.0}",
         "[{\"op\":\"replace\",\"path\":\"/a/y/1\",\"value\":1e-400}]",
         "{\"a\":{\"z\":-0,\"y\":[1.0,1e-400]},\"n\":18446744073709551616.0}"},
        {"{\"a\":1,\"b\":2}",
         "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"add\",\"path\":\"/a\",\"value\":3}]",
         "{\"b\":2,\"a\":3}"},
        /* The whole. */
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":{}}]", "{}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"\"}]", "{\"b\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"\"}]", "{\"b\":1}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":1.0}}]", "{\"a\":1}"},
        {"{\"a\":1}",
         "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]},"
         "{\"op\":\"add\",\"path\":\"/-\",\"value\":1},"
         "{\"op\":\"add\",\"path\":\"\",\"value\":{\"c\":[]}}]",
         "{\"c\":[]}"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"\"}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
         "{\"a\":1,\"b\":{\"a\":1}}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/b\"}]",
         "{\"a\":{\"b\":{\"b\":1}}}"},
        {"{\"a\":{\"b\":{\"c\":1}}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/a\"}]",
         "{\"a\":{\"c\":1}}"},
        {"{\"a\":1,\"ab\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab\"}]",
         "{\"ab\":1}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
         "{\"a\":1,\"b\":2}"},
        {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}"},
        /* A copy is a value of its own, with the changes made before. */
        {"{\"a\":{\"x\":1}}",
         "[{\"op\":\"add\",\"path\":\"/a/y\",\"value\":2},"
         "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
         "{\"op\":\"replace\",\"path\":\"/a/x\",\"value\":3},"
         "{\"op\":\"remove\",\"path\":\"/b/y\"}]",
         "{\"a\":{\"x\":3,\"y\":2},\"b\":{\"x\":1}}"},
        /* Null is a value. */
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
        {"{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
        /* Arrays. */
        {"{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":1}]", "{\"a\":[1]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":3}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":0}]", "{\"a\":[0,1,2]}"},
        {"{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/-\"}]",
         "{\"a\":[2,3,1]}"},
        {"{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/2\",\"path\":\"/a/0\"}]",
         "{\"a\":[3,1,2]}"},
        {"{\"a\":[1,{\"b\":[2]}]}", "[{\"op\":\"copy\",\"from\":\"/a/1/b\",\"path\":\"/a/0\"}]",
         "{\"a\":[[2],1,{\"b\":[2]}]}"},
        {"{\"a\":[0,1,2,3,4,5,6,7,8,9,10]}", "[{\"op\":\"remove\",\"path\":\"/a/10\"}]",
         "{\"a\":[0,1,2,3,4,5,6,7,8,9]}"},
        {"{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/0\"}]", "{\"a\":[]}"},
        /* Names that look like something else. */
        {"{\"\":1,\"-\":2,\"0\":3,\"01\":4}",
         "[{\"op\":\"replace\",\"path\":\"/\",\"value\":5},"
         "{\"op\":\"replace\",\"path\":\"/-\",\"value\":6},"
         "{\"op\":\"remove\",\"path\":\"/0\"},{\"op\":\"test\",\"path\":\"/01\",\"value\":4}]",
         "{\"\":5,\"-\":6,\"01\":4}"},
        {"{\"\":{\"\":1}}", "[{\"op\":\"replace\",\"path\":\"//\",\"value\":2}]",
         "{\"\":{\"\":2}}"},
        {"{}",
         "[{\"op\":\"add\",\"path\":\"/a~1b\",\"value\":1},"
         "{\"op\":\"add\",\"path\":\"/m~0n\",\"value\":2},"
         "{\"op\":\"add\",\"path\":\"/~01\",\"value\":3},"
         "{\"op\":\"add\",\"path\":\"/q\\\"\\\\\\n\\u00e9\\ud83d\\ude00\",\"value\":4}]",
         "{\"a/b\":1,\"m~n\":2,\"~1\":3,\"q\\\"\\\\\\né😀\":4}"},
        {"{\"\\u00e9\":1}", "[{\"op\":\"remove\",\"path\":\"/é\"}]", "{}"},
        /* The members of an operation, spelled otherwise. */
        {"{}", "[{\"\\u006fp\":\"\\u0061dd\",\"path\":\"\\/a\",\"value\":1}]", "{\"a\":1}"},
        {"{}", "[{\"value\":1,\"from\":5,\"path\":\"/a\",\"op\":\"add\"}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\",\"value\":1}]", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_result(cases[i][0], cases[i][1], cases[i][2]);
    }
}

/* The value of `test` is compared exactly: numbers as decimals, nothing rounded. */
Test(json_patch, tests)
{
    static const struct {
        const char *there, *wanted;
        bool passes;
    } cases[] = {
        {"1", "1.0", true},
        {"1e-400", "10e-401", true},
        {"9007199254740993", "9007199254740992", false},
        {"0.1", "0.10000000000000001", false},
        {"1", "true", false},
        {"\"a\"", "\"\\u0061\"", true},
        {"\"1\"", "1", false},
        {"null", "false", false},
        {"{\"x\":1,\"y\":[{\"z\":2}]}", "{\"y\":[{\"z\":2.0}],\"x\":1}", true},
        {"{\"x\":1,\"y\":[{\"z\":2}]}", "{\"y\":[{\"z\":3}],\"x\":1}", false},
        {"{\"x\":1}", "{\"x\":1,\"y\":2}", false},
        {"{\"x\":1,\"y\":2}", "{\"x\":1}", false},
        {"{\"x\":null}", "{}", false},
        {"[1,2]", "[1.0,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,2]", false},
        {"[1,2]", "[1]", false},
        {"[]", "{}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR target = {0};
        AUTO_STR patch = {0};
        str_addf(&target, "{\"a\":[%s]}", cases[i].there);
        str_addf(&patch, "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":%s}]", cases[i].wanted);
        if (cases[i].passes) {
            expect_result(target.data, patch.data, target.data);
        } else {
            cr_expect_eq(expect_refusal(target.data, patch.data, "PATCH_TEST_FAILED").code,
                         STATUS_ABORTED);
        }
    }
}

Test(json_patch, paths_that_lead_nowhere)
{
    static const char *const cases[][2] = {
        {"{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]"},
        {"{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]"},
        {"{}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]"},
        {"{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]"},
        {"{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]"},
        {"{\"a\":\"text\"}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":1}]"},
        {"{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]"},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]"},
        {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/b\"}]"},
        {"{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/00\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/+0\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1e0\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-1\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/18446744073709551616\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/18446744073709551617\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]"},
        {"{\"a\":[1]}", "[{\"op\":\"test\",\"path\":\"/a/-\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/-\",\"value\":1}]"},
        {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a/-\",\"path\":\"/b\"}]"},
        {"{\"a\":[[1]]}", "[{\"op\":\"add\",\"path\":\"/a/-/0\",\"value\":1}]"},
        {"{\"a\":[1,2]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(expect_refusal(cases[i][0], cases[i][1], "PATCH_PATH").code,
                     STATUS_INVALID_ARGUMENT);
    }
}

Test(json_patch, what_is_no_patch)
{
    static const char *const cases[] = {
        "{}",
        "null",
        "\"[]\"",
        "[1]",
        "[[]]",
        "[{}]",
        "[{\"op\":1,\"path\":\"/a\"}]",
        "[{\"op\":\"\",\"path\":\"/a\"}]",
        "[{\"op\":\"Add\",\"path\":\"/a\",\"value\":1}]",
        "[{\"op\":\"spam\",\"path\":\"/a\",\"value\":1}]",
        "[{\"path\":\"/a\",\"value\":1}]",
        "[{\"op\":\"add\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":null,\"value\":1}]",
        "[{\"op\":\"add\",\"path\":[\"a\"],\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"#/a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a~\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a~2\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/~/a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a\\u0000\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a\"}]",
        "[{\"op\":\"replace\",\"path\":\"/a\"}]",
        "[{\"op\":\"test\",\"path\":\"/a\"}]",
        "[{\"op\":\"move\",\"path\":\"/a\"}]",
        "[{\"op\":\"copy\",\"path\":\"/a\",\"from\":1}]",
        "[{\"op\":\"copy\",\"path\":\"/a\",\"from\":\"a\"}]",
        "[{\"op\":\"copy\",\"path\":\"/b\",\"from\":\"/a~\"}]",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_refusal("{\"a\":1}", cases[i], "PATCH_SYNTAX");
    }
}

Test(json_patch, refusals_name_the_operation_and_the_pointer)
{
    struct status st = expect_refusal("{\"pool\":{\"size\":1}}",
                                      "[{\"op\":\"test\",\"path\":\"/pool/size\",\"value\":1},"
                                      "{\"op\":\"test\",\"path\":\"/pool/size\",\"value\":2}]",
                                      "PATCH_TEST_FAILED");
    cr_expect_str_eq(st.message, "p: operation 1, test: another value is at this path: /pool/size");
    cr_expect_eq(st.n_info, 2);
    cr_expect_str_eq(st.info[0].key, "operation");
    cr_expect_str_eq(st.info[0].value, "1");
    cr_expect_str_eq(st.info[1].key, "pointer");
    cr_expect_str_eq(st.info[1].value, "/pool/size");
    st = expect_refusal("{}", "[{\"op\":\"remove\",\"path\":\"\"}]", "PATCH_PATH");
    cr_expect_str_eq(st.message, "p: operation 0, remove: the whole cannot be removed: \"\"");
    st = expect_refusal("{}", "[{\"op\":\"copy\",\"path\":\"/a\",\"from\":\"/b\"}]", "PATCH_PATH");
    cr_expect_str_eq(st.info[1].value, "/b");
    st = expect_refusal("{}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1},{}]", "PATCH_SYNTAX");
    cr_expect_str_eq(st.info[0].value, "1");
    cr_expect_eq(st.n_info, 1);
}

/* A result must be a payload. */
Test(json_patch, results_that_are_no_payload)
{
    expect_refusal("{}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", "JSON_NOT_OBJECT");
    expect_refusal("{}", "[{\"op\":\"add\",\"path\":\"\",\"value\":null}]", "JSON_NOT_OBJECT");
    AUTO_STR target = {0};
    AUTO_STR patch = {0};
    str_add_text(&target, "{\"b\":[]}");
    str_add_text(&patch, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":");
    for (size_t i = 0; i < usual.max_depth; i++) {
        str_add_char(&patch, '[');
    }
    for (size_t i = 0; i < usual.max_depth; i++) {
        str_add_char(&patch, ']');
    }
    str_add_text(&patch, "}]");
    expect_refusal(target.data, patch.data, "JSON_DEPTH");
}

/* ---- Bounds ---- */

static void begin_patch(struct str *patch)
{
    str_add_char(patch, '[');
}

__attribute__((format(printf, 2, 3))) static void add_operation(struct str *patch,
                                                                const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    str_addf(patch, "%s{%s}", patch->len == 1 ? "" : ",", text);
}

Test(json_patch, doubling_ends_at_the_limit)
{
    AUTO_STR patch = {0};
    begin_patch(&patch);
    for (int i = 0; i < 100; i++) {
        add_operation(&patch, "\"op\":\"copy\",\"from\":\"\",\"path\":\"/%d\"", i);
    }
    str_add_char(&patch, ']');
    struct status st = expect_refusal("{\"a\":1}", patch.data, "JSON_TOO_LARGE");
    cr_expect_eq(st.code, STATUS_RESOURCE_EXHAUSTED);
    cr_expect(strstr(st.message, "operation 17, copy") != NULL, "%s", st.message);
}

/* Copies of untouched text share it, but a result that is too large is not made. */
Test(json_patch, many_copies_of_a_large_value)
{
    AUTO_STR target = {0};
    AUTO_STR patch = {0};
    str_add_text(&target, "{\"a\":\"");
    memset(str_extend(&target, 500000), 'x', 500000);
    str_add_text(&target, "\"}");
    begin_patch(&patch);
    for (int i = 0; i < JSON_PATCH_MAX_OPERATIONS; i++) {
        add_operation(&patch, "\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/%d\"", i);
    }
    str_add_char(&patch, ']');
    expect_refusal(target.data, patch.data, "JSON_TOO_LARGE");
}

/* The result is small, but each copy makes half a mebibyte of text. */
Test(json_patch, copies_that_are_replaced)
{
    AUTO_STR target = {0};
    AUTO_STR patch = {0};
    str_add_text(&target, "{\"a\":{\"x\":1,\"b\":\"");
    memset(str_extend(&target, 500000), 'x', 500000);
    str_add_text(&target, "\"}}");
    begin_patch(&patch);
    add_operation(&patch, "\"op\":\"replace\",\"path\":\"/a/x\",\"value\":2");
    for (int i = 0; i < 3000; i++) {
        add_operation(&patch, "\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"");
    }
    str_add_char(&patch, ']');
    cr_expect_eq(expect_refusal(target.data, patch.data, "PATCH_WORK").code,
                 STATUS_RESOURCE_EXHAUSTED);
}

Test(json_patch, insertions_before_many_items)
{
    AUTO_STR target = {0};
    AUTO_STR patch = {0};
    str_add_text(&target, "{\"a\":[0");
    for (int i = 0; i < 400000; i++) {
        str_add_text(&target, ",0");
    }
    str_add_text(&target, "]}");
    begin_patch(&patch);
    for (int i = 0; i < JSON_PATCH_MAX_OPERATIONS; i++) {
        add_operation(&patch, "\"op\":\"add\",\"path\":\"/a/0\",\"value\":0");
    }
    str_add_char(&patch, ']');
    expect_refusal(target.data, patch.data, "PATCH_WORK");
}

Test(json_patch, too_many_operations)
{
    AUTO_STR patch = {0};
    begin_patch(&patch);
    for (int i = 0; i < JSON_PATCH_MAX_OPERATIONS; i++) {
        add_operation(&patch, "\"op\":\"test\",\"path\":\"\",\"value\":{}");
    }
    AUTO_STR more = {0};
    str_add(&more, patch.data, patch.len);
    str_add_char(&patch, ']');
    expect_result("{}", patch.data, "{}");
    add_operation(&more, "\"op\":\"test\",\"path\":\"\",\"value\":{}");
    str_add_char(&more, ']');
    struct status st = expect_refusal("{}", more.data, "PATCH_OPERATIONS");
    cr_expect_eq(st.code, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_str_eq(st.info[0].value, "10000");
}

/* Nesting that grows from operation to operation must not grow the stack. */
Test(json_patch, nesting)
{
    AUTO_STR patch = {0};
    begin_patch(&patch);
    for (int i = 0; i < 500; i++) {
        add_operation(&patch, "\"op\":\"add\",\"path\":\"/b\",\"value\":{}");
        add_operation(&patch, "\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a\"");
        add_operation(&patch, "\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"");
    }
    str_add_char(&patch, ']');
    expect_refusal("{\"a\":{}}", patch.data, "JSON_DEPTH");
    AUTO_STR deep = {0};
    str_add_text(&deep, "[{\"op\":\"remove\",\"path\":\"");
    for (int i = 0; i <= JSON_DEPTH_MAX; i++) {
        str_add_text(&deep, "/a");
    }
    str_add_text(&deep, "\"}]");
    expect_refusal("{}", deep.data, "PATCH_SYNTAX");
}

/* ---- What json_patch_between makes ---- */

Test(json_patch, patches_between_two_values_apply)
{
    enum { ROUNDS = 4000 };
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t seed = random_seed() * 1000000 + (uint64_t)round;
        struct mutation m = {{seed ^ 0x5555}, (unsigned)round % 4 * 5};
        AUTO_STR a = {0};
        AUTO_STR b = {0};
        random_json(seed, true, NULL, &a);
        random_json(seed, true, &m, &b);
        AUTO_STR patch = {0};
        struct json_text from = {a.data, a.len};
        struct json_text to = {b.data, b.len};
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st = {0};
        json_patch_between(from, to, &patch);
        cr_assert(apply(from, patch.data, patch.len, &usual, &json, &st), "seed %" PRIu64 ": %s",
                  seed, st.message);
        cr_assert(json_text_equal(json_of_buf(json), to), "seed %" PRIu64 ": %s on %s gave %s",
                  seed, patch.data, a.data, (const char *)json->data);
        AUTO(free) char *wanted = model_apply(a.data, patch.data);
        cr_assert(model_equal((const char *)json->data, wanted), "seed %" PRIu64, seed);
    }
}

/* {"k0":value,…} */
static void add_object(struct str *out, int n, const char *value)
{
    str_add_char(out, '{');
    for (int i = 0; i < n; i++) {
        str_addf(out, "%s\"k%d\":%s", i == 0 ? "" : ",", i, value);
    }
    str_add_char(out, '}');
}

static void expect_way(const struct str *a, const struct str *b, const struct json_limits *limits)
{
    AUTO_STR patch = {0};
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st = {0};
    struct json_text to = {b->data, b->len};
    json_patch_between((struct json_text){a->data, a->len}, to, &patch);
    cr_assert(apply((struct json_text){a->data, a->len}, patch.data, patch.len, limits, &json, &st),
              "%s", st.message);
    cr_expect(json_text_equal(json_of_buf(json), to));
}

Test(json_patch, patches_between_large_values_apply)
{
    AUTO_STR a = {0};
    AUTO_STR b = {0};
    AUTO_STR c = {0};
    add_object(&a, 50000, "1");
    add_object(&b, 50000, "2");
    add_object(&c, 1000, "2");
    expect_way(&a, &b, &(struct json_limits){b.len, 64});
    expect_way(&a, &c, &(struct json_limits){a.len, 64});
    expect_way(&c, &a, &(struct json_limits){a.len, 64});
}

/* A megabyte at the bottom of 63 levels is scanned once on each. */
Test(json_patch, patches_between_deep_values_apply)
{
    AUTO_STR a = {0};
    AUTO_STR b = {0};
    struct str *texts[] = {&a, &b};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t level = 1; level < usual.max_depth; level++) {
            str_add_text(texts[i], "{\"a\":");
        }
        str_addf(texts[i], "{\"%zu\":1,\"x\":\"", i);
        memset(str_extend(texts[i], 1000000), 'x', 1000000);
        str_add_text(texts[i], "\"}");
        for (size_t level = 1; level < usual.max_depth; level++) {
            str_add_char(texts[i], '}');
        }
    }
    expect_way(&a, &b, &usual);
}
