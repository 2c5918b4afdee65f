#include "body.h"

#include <string.h>

#include "leak_check.h"

TestSuite(body, .fini = leak_check);

Test(body, content_types)
{
    static const struct {
        const char *text;
        bool is_json;
    } cases[] = {
        {"application/json", true},
        {"application/json; charset=utf-8", true},
        {"application/json;charset=utf-8", true},
        {" Application/JSON ", true},
        {"application/merge-patch+json", true},
        {"application/problem+JSON; x=y", true},
        {"application/+json", true},
        {"application/xjson", false},
        {"application/jsonx", false},
        {"application/json5", false},
        {"text/json", false},
        {"text/plain", false},
        {"application/", false},
        {"json", false},
        {"", false},
        {"; application/json", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(content_type_is_json(cases[i].text), cases[i].is_json, "%s", cases[i].text);
    }
}

/* The faults as "loc type|". */
static void parse_as(enum body_kind kind, const char *text, const char *content_type,
                     struct body *body, struct str *faults)
{
    struct invalid invalid = {0};
    const struct str bytes = {.data = (char *)(uintptr_t)text, .len = strlen(text)};
    body_parse(kind, false, &bytes, content_type, body, &invalid);
    const char *at = str_text(&invalid.items);
    while ((at = strstr(at, "\"loc\":[")) != NULL) {
        const char *type = strstr(at, "\"type\":\"") + 8;
        str_addf(faults, "%.*s %.*s|", (int)strcspn(at + 7, "]"), at + 7, (int)strcspn(type, "\""),
                 type);
        at = type;
    }
    invalid_fini(&invalid);
}

static void parse(const char *text, const char *content_type, struct body *body, struct str *faults)
{
    parse_as(BODY_CONFIG, text, content_type, body, faults);
}

Test(body, faults)
{
    static const struct {
        const char *text, *faults;
    } cases[] = {
        {"", "\"body\" missing|"},
        {"{", "\"body\",1 json_invalid|"},
        {"hello", "\"body\",0 json_invalid|"},
        {"{}{}", "\"body\",2 json_invalid|"},
        {"{\"config_data\":{\"a\":1,\"a\":2}}", "\"body\",24 json_invalid|"},
        {"{\"config_data\":{},\"config_data\":{}}", "\"body\",30 json_invalid|"},
        {"{\"config_data\":{\"a\":NaN}}", "\"body\",20 json_invalid|"},
        {"null", "\"body\" model_attributes_type|"},
        {"[]", "\"body\" model_attributes_type|"},
        {"\"x\"", "\"body\" model_attributes_type|"},
        {"1", "\"body\" model_attributes_type|"},
        {"{}", "\"body\",\"config_data\" missing|"},
        {"{\"config_data\":null}", "\"body\",\"config_data\" dict_type|"},
        {"{\"config_data\":[]}", "\"body\",\"config_data\" dict_type|"},
        {"{\"config_data\":\"{}\"}", "\"body\",\"config_data\" dict_type|"},
        {"{\"config_data\":{},\"comment\":1}", "\"body\",\"comment\" string_type|"},
        {"{\"config_data\":{},\"comment\":null}", "\"body\",\"comment\" string_type|"},
        {"{\"config_data\":{},\"created_by\":null}", "\"body\",\"created_by\" string_type|"},
        {"{\"config_data\":{},\"comment\":\"a\\u0000\"}",
         "\"body\",\"comment\" string_pattern_mismatch|"},
        {"{\"created_by\":[],\"comment\":{},\"config_data\":1}",
         "\"body\",\"config_data\" dict_type|\"body\",\"comment\" string_type|"
         "\"body\",\"created_by\" string_type|"},
        {"{\"created_by\":0}",
         "\"body\",\"config_data\" missing|\"body\",\"created_by\" string_type|"},
        {"{\"config_data\":{},\"comment\":\"\",\"created_by\":\"\"}", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body body;
        AUTO_STR faults = {0};
        parse(cases[i].text, "application/json", &body, &faults);
        cr_expect_str_eq(str_text(&faults), cases[i].faults, "%s: %s", cases[i].text,
                         str_text(&faults));
        body_fini(&body);
    }
}

Test(body, other_kinds)
{
    static const struct {
        enum body_kind kind;
        const char *text, *faults;
    } cases[] = {
        {BODY_VERSION, "{\"version\":3}", ""},
        {BODY_VERSION, "{\"version\":-3,\"comment\":\"\"}", ""},
        {BODY_VERSION, "{}", ""},
        {BODY_VERSION, "", ""},
        {BODY_VERSION, "{\"version\":null}", "\"body\",\"version\" int_type|"},
        {BODY_VERSION, "{\"version\":\"3\"}", "\"body\",\"version\" int_type|"},
        {BODY_VERSION, "{\"version\":3.0}", "\"body\",\"version\" int_type|"},
        {BODY_VERSION, "{\"version\":3e0,\"comment\":1}",
         "\"body\",\"version\" int_type|\"body\",\"comment\" string_type|"},
        {BODY_VERSION, "[]", "\"body\" model_attributes_type|"},
        {BODY_PATCH, "{}", ""},
        {BODY_PATCH, "{\"a\":null,\"comment\":1}", ""},
        {BODY_PATCH, "null", "\"body\" model_attributes_type|"},
        {BODY_PATCH, "", "\"body\" missing|"},
        {BODY_PATCH, "{", "\"body\",1 json_invalid|"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body body;
        AUTO_STR faults = {0};
        parse_as(cases[i].kind, cases[i].text, "application/merge-patch+json", &body, &faults);
        cr_expect_str_eq(str_text(&faults), cases[i].faults, "%s: %s", cases[i].text,
                         str_text(&faults));
        body_fini(&body);
    }
}

Test(body, json_patches_are_arrays)
{
    static const char *const cases[][2] = {
        {"[]", ""},
        {"[1]", ""}, /* what it holds is the server's to judge */
        {"{}", "\"body\" list_type|"},
        {"", "\"body\" missing|"},
        {"[", "\"body\",1 json_invalid|"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body body;
        AUTO_STR faults = {0};
        parse_as(BODY_PATCH, cases[i][0], "application/json-patch+json", &body, &faults);
        cr_expect_str_eq(str_text(&faults), cases[i][1], "%s: %s", cases[i][0], str_text(&faults));
        cr_expect(cases[i][1][0] != '\0' || body.patch_kind == PATCH_JSON);
        body_fini(&body);
    }
}

Test(body, a_content_type_that_is_not_json_is_no_model)
{
    static const struct {
        const char *text, *faults;
    } cases[] = {
        {"{\"config_data\":{}}", "\"body\" model_attributes_type|"},
        {"{", "\"body\" model_attributes_type|"},
        {"", "\"body\" missing|"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body body;
        AUTO_STR faults = {0};
        parse(cases[i].text, "text/plain", &body, &faults);
        cr_expect_str_eq(str_text(&faults), cases[i].faults);
        body_fini(&body);
    }
}

Test(body, a_fault_of_the_syntax_replaces_all_others)
{
    struct body body;
    struct invalid invalid = {0};
    AUTO_STR out = {0};
    invalid_add(&invalid, "query", "version", FAULT_NUMBER_TEXT, "no number");
    char brace[] = "{";
    body_parse(BODY_CONFIG, false, &(const struct str){.data = brace, .len = 1}, NULL, &body,
               &invalid);
    cr_expect_eq(invalid.n, 1);
    invalid_render(&invalid, 422, PROBLEM_DOCUMENTED, &out);
    cr_expect_null(strstr(out.data, "query"));
    cr_expect_not_null(strstr(out.data, "}],\"reason\":\"JSON_SYNTAX\"}"), "%s", out.data);
    cr_expect_eq(strncmp(out.data, "{\"detail\":[{\"loc\":[\"body\",1],", 29), 0, "%s", out.data);
    invalid_fini(&invalid);
    body_fini(&body);
}

Test(body, a_fault_of_the_syntax_says_that_the_header_is_missing)
{
    static const char *const types[] = {NULL, "application/json"};
    char form[] = "config_data=1";
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct body body;
        struct invalid invalid = {0};
        const struct str text = {.data = form, .len = strlen(form)};
        body_parse(BODY_CONFIG, false, &text, types[i], &body, &invalid);
        bool is_told = strstr(str_text(&invalid.items), "Content-Type header is missing") != NULL;
        cr_expect_eq(is_told, types[i] == NULL, "%s", str_text(&invalid.items));
        invalid_fini(&invalid);
        body_fini(&body);
    }
}

Test(body, what_it_holds)
{
    struct body body;
    AUTO_STR faults = {0};
    parse(" { \"x\" : [ 1 ] , \"config_data\" : { \"z\" : 1.0 , \"a\" : \"\\u00e9 \" } ,"
          " \"comment\" : \"a\\n\\u00e9\" , \"created_by\" : \"\" } ",
          NULL, &body, &faults);
    cr_assert_str_eq(str_text(&faults), "");
    static const char data[] = "{\"z\":1.0,\"a\":\"\\u00e9 \"}";
    cr_expect(body.config_data.len == sizeof data - 1 &&
              memcmp(body.config_data.data, data, sizeof data - 1) == 0);
    cr_expect_str_eq(str_text(&body.comment), "a\n\xc3\xa9");
    cr_expect(body.has_created_by);
    cr_expect_str_eq(str_text(&body.created_by), "");
    body_fini(&body);
}
