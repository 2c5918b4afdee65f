#include <bson/bson.h>
#include <criterion/criterion.h>
#include <math.h>

#include "bson_json.h"
#include "leak_check.h"

TestSuite(bson_json, .fini = leak_check);

static void expect_json(const bson_t *document, const char *wanted)
{
    bson_t outer = BSON_INITIALIZER;
    bson_iter_t iter;
    struct status st = {.code = STATUS_OK};
    AUTO_STR json = {0};
    BSON_APPEND_DOCUMENT(&outer, "config_data", document);
    cr_assert(bson_iter_init_find(&iter, &outer, "config_data"));
    bool ok = bson_json(&iter, "config_data", &json, &st);
    if (wanted != NULL) {
        cr_assert(ok, "%s", st.message);
        cr_expect_str_eq(json.data, wanted);
    } else {
        cr_assert(!ok);
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_str_eq(st.reason, "VALUE_NOT_JSON");
        cr_expect_eq(strncmp(st.field, "config_data", 11), 0, "%s", st.field);
    }
    bson_destroy(&outer);
}

Test(bson_json, doubles_read_back_the_same)
{
    static const struct {
        double value;
        const char *wanted;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {1.5, "1.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {1e22, "1e+22"},
        {-2.5e-7, "-2.5e-07"},
        {123456789, "123456789.0"},
        {5e-324, "4.94065645841247e-324"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bson_t *document = BCON_NEW("x", BCON_DOUBLE(cases[i].value));
        AUTO_STR wanted = {0};
        str_addf(&wanted, "{\"x\":%s}", cases[i].wanted);
        expect_json(document, wanted.data);
        bson_destroy(document);
    }
}

Test(bson_json, every_type_that_json_has)
{
    bson_t *document =
        BCON_NEW("z", BCON_INT32(-7), "a", BCON_INT64(9223372036854775807), "t", BCON_BOOL(true),
                 "f", BCON_BOOL(false), "n", BCON_NULL, "s", "a \"b\" \xc3\xa9", "l", "[", "{", "}",
                 "[", "]", BCON_INT32(1), "]", "o", "{", "k", "{", "}", "}");
    expect_json(document, "{\"z\":-7,\"a\":9223372036854775807,\"t\":true,\"f\":false,\"n\":null,"
                          "\"s\":\"a \\\"b\\\" \xc3\xa9\",\"l\":[{},[],1],\"o\":{\"k\":{}}}");
    bson_destroy(document);
}

Test(bson_json, what_json_does_not_have_is_refused_by_its_path)
{
    bson_t *documents[] = {
        BCON_NEW("x", BCON_DOUBLE(NAN)),
        BCON_NEW("x", BCON_DOUBLE(-INFINITY)),
        BCON_NEW("x", BCON_DATE_TIME(1)),
        BCON_NEW("x", "[", BCON_REGEX("a", ""), "]"),
        BCON_NEW("x", "{", "y", BCON_UNDEFINED, "}"),
    };
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        expect_json(documents[i], NULL);
        bson_destroy(documents[i]);
    }
}

Test(bson_json, depth_is_bounded)
{
    bson_t *document = bson_new();
    for (int i = 0; i < 1000; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "a", document);
        bson_destroy(document);
        document = outer;
    }
    expect_json(document, NULL);
    bson_destroy(document);
}
