/* Violations, faults and limits. What each keyword accepts is checked by the official suite
 * (test_schema_suite.py). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "schema.h"

static const struct json_limits limits = {.max_bytes = 16u << 20, .max_depth = SCHEMA_LEVELS};

static struct buf *json(const char *text)
{
    struct buf *checked = NULL;
    struct status st;
    cr_assert(json_check_value(text, strlen(text), &limits, "text", NULL, &checked, &st), "%s: %s",
              text, st.message);
    return checked;
}

static struct buf *resolve(void *user, struct json_text uri)
{
    (void)user;
    if (uri.len == 12 && memcmp(uri.data, "confreg:/big", 12) == 0) {
        return json("{\"$defs\":{\"port\":{\"type\":\"integer\",\"maximum\":65535}}}");
    }
    return NULL;
}

/* "POINTER KEYWORD SCHEMA-POINTER message" of each violation, one a line. */
static void describe(const struct schema_report *report, struct str *out)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct schema_violation *v = &report->violations[i];
        str_addf(out, "%s[%s %s %s: %s]", i == 0 ? "" : " ", v->value, v->keyword, v->schema,
                 v->message);
    }
}

static struct schema *compile(const char *text, struct str *ret_faults)
{
    const struct schema_options options = {
        .uri = "confreg:/this", .assert_formats = true, .resolve = resolve};
    AUTO(buf_unref) struct buf *schema_text = json(text);
    struct schema *schema = NULL;
    struct schema_report report = {0};
    bool ok = schema_compile(schema_text, &options, &schema, &report);
    cr_assert_eq(ok, report.n == 0);
    describe(&report, ret_faults);
    schema_report_fini(&report);
    return schema;
}

/* Validates; returns the steps that it took. */
static uint64_t validate(const char *schema_text, const char *value_text, struct str *ret_found)
{
    AUTO_STR faults = {0};
    AUTO(schema_free) struct schema *schema = compile(schema_text, &faults);
    cr_assert_not_null(schema, "%s: %s", schema_text, str_text(&faults));
    AUTO(buf_unref) struct buf *value = json(value_text);
    struct schema_report report = {0};
    bool ok = schema_validate(schema, json_of_buf(value), &report);
    cr_assert_eq(ok, report.n == 0, "%s", schema_text);
    describe(&report, ret_found);
    uint64_t steps = report.steps;
    schema_report_fini(&report);
    return steps;
}

static void expect(const char *schema, const char *value, const char *wanted)
{
    AUTO_STR found = {0};
    validate(schema, value, &found);
    cr_expect_str_eq(str_text(&found), wanted, "%s by %s:\n  %s\n  %s", value, schema,
                     str_text(&found), wanted);
}

static void expect_faults(const char *schema, const char *wanted)
{
    AUTO_STR faults = {0};
    AUTO(schema_free) struct schema *compiled = compile(schema, &faults);
    cr_expect_null(compiled);
    cr_expect_str_eq(str_text(&faults), wanted, "%.300s:\n  %s\n  %s", schema, str_text(&faults),
                     wanted);
}

Test(schema, tells_every_violation_with_its_places)
{
    expect("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"integer\",\"null\"]},"
           "\"b/c\":{\"items\":{\"maximum\":10}}},\"required\":[\"a\",\"z\"],"
           "\"additionalProperties\":false}",
           "{\"a\":1.5,\"b/c\":[1,11,12],\"d\":0}",
           "[/a type /properties/a/type: must be an integer or null, but is a number with a "
           "fraction] "
           "[/b~1c/1 maximum /properties/b~1c/items/maximum: must be at most 10] "
           "[/b~1c/2 maximum /properties/b~1c/items/maximum: must be at most 10] "
           "[/d additionalProperties /additionalProperties: is not allowed] "
           "[ required /required: must have \"z\"]");
    expect("{\"enum\":[\"a\",1]}", "\"other\"", "[ enum /enum: must be \"a\" or 1]");
    expect("{\"minLength\":1,\"pattern\":\"^x\"}", "\"\"",
           "[ minLength /minLength: must have at least 1 character, but has 0] "
           "[ pattern /pattern: must match \"^x\"]");
    expect("{\"properties\":{\"a\":{\"format\":\"date\"}}}", "{\"a\":\"2026-02-30\"}",
           "[/a format /properties/a/format: must be a date of RFC 3339]");
    expect("{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]",
           "[/2 uniqueItems /uniqueItems: must not be there twice: item 1 is equal]");
    expect("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
           "[ dependentRequired /dependentRequired: must have \"b\", because it has \"a\"]");
    expect("{\"anyOf\":[{\"type\":\"string\",\"minLength\":3},{\"type\":\"null\"}]}", "\"ab\"",
           "[ anyOf /anyOf: matches none of the 2 alternatives] "
           "[ minLength /anyOf/0/minLength: must have at least 3 characters, but has 2]");
    expect("{\"oneOf\":[true,true]}", "1",
           "[ oneOf /oneOf: matches more than one of the 2 alternatives]");
    expect("false", "1", "[  : is not allowed]");
}

/* With and without an escape, at every place of the words that a text is searched by. */
Test(schema, reads_strings_of_every_length)
{
    for (int n = 0; n <= 24; n++) {
        AUTO_STR found = {0};
        AUTO_STR value = {0};
        char plain[32] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        str_addf(&value, "{\"%.*s\\\"a\":[\"%.*s\",\"\\\\%.*s\"]}", n, plain, n, plain, n, plain);
        validate("{\"additionalProperties\":{\"items\":{\"type\":\"null\"}}}", str_text(&value),
                 &found);
        AUTO_STR wanted = {0};
        for (int item = 0; item < 2; item++) {
            str_addf(&wanted,
                     "%s[/%.*s\"a/%d type /additionalProperties/items/type: must be null, but is a "
                     "string]",
                     item == 0 ? "" : " ", n, plain, item);
        }
        cr_expect_str_eq(str_text(&found), str_text(&wanted), "%s", str_text(&value));
        str_clear(&found);
        validate("{\"additionalProperties\":{\"items\":{\"const\":\"xxxxxxxx\"}}}",
                 str_text(&value), &found);
        const char *first = strstr(str_text(&found), "/0 const");
        cr_expect_eq(first == NULL, n == 8, "%s", str_text(&value));
    }
}

Test(schema, counts_characters_not_bytes)
{
    const struct {
        const char *text;
        int n;
    } texts[] = {{"\"\"", 0},
                 {"\"abcdefgh\"", 8},
                 {"\"\u00e9\u00e9\u00e9\u00e9\u00e9\"", 5},
                 {"\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"", 2},
                 {"\"a\xf0\x9f\x98\x80\xe2\x82\xac\"", 3}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (int bound = 0; bound <= 9; bound++) {
            AUTO_STR schema = {0};
            AUTO_STR found = {0};
            str_addf(&schema, "{\"minLength\":%d,\"maxLength\":%d}", bound, bound);
            validate(str_text(&schema), texts[i].text, &found);
            cr_expect_eq(found.len == 0, texts[i].n == bound, "%s: %s", texts[i].text,
                         str_text(&found));
        }
    }
}

Test(schema, holds_numbers_exactly)
{
    expect("{\"const\":9007199254740993}", "9007199254740992",
           "[ const /const: must be 9007199254740993]");
    expect("{\"const\":9007199254740993}", "9007199254740993.0", "");
    expect("{\"maximum\":9007199254740992}", "9007199254740993",
           "[ maximum /maximum: must be at most 9007199254740992]");
    expect("{\"multipleOf\":0.01}", "19.99", "");
    expect("{\"multipleOf\":0.01}", "19.999",
           "[ multipleOf /multipleOf: must be a multiple of 0.01]");
    expect("{\"multipleOf\":0.1,\"minimum\":0.1,\"maximum\":0.1}", "1e-1", "");
    expect("{\"exclusiveMinimum\":0.1}", "0.10000000000000000000000001", "");
    expect("{\"multipleOf\":1e-300}", "1e300", "");
    expect("{\"multipleOf\":7}", "1e300", "[ multipleOf /multipleOf: must be a multiple of 7]");
    expect("{\"type\":\"integer\"}", "1e300", "");
    expect("{\"minimum\":0,\"type\":\"integer\"}", "1e-99999999999999999999",
           "[ type /type: must be an integer, but is a number with a fraction]");
    expect("{\"uniqueItems\":true}", "[1,10,0.1,1e1]",
           "[/3 uniqueItems /uniqueItems: must not be there twice: item 1 is equal]");
}

Test(schema, refers_to_other_schemas)
{
    expect("{\"$ref\":\"confreg:/big#/$defs/port\"}", "70000",
           "[ maximum confreg:/big#/$defs/port/maximum: must be at most 65535]");
    expect("{\"items\":{\"$ref\":\"big#/$defs/port\"}}", "[1,\"x\"]",
           "[/1 type confreg:/big#/$defs/port/type: must be an integer, but is a string]");
    expect_faults("{\"$ref\":\"confreg:/none\"}",
                  "[ $ref /$ref: refers to \"confreg:/none\", which is not known]");
    expect_faults("{\"$ref\":\"https://example.com/a\"}",
                  "[ $ref /$ref: refers to \"https://example.com/a\", which is not known]");
    expect_faults("{\"$ref\":\"#/$defs/a\"}",
                  "[ $ref /$ref: refers to \"confreg:/this#/$defs/a\", where there is nothing]");
    expect_faults("{\"$ref\":\"#/title\",\"title\":\"a\"}",
                  "[ $ref /$ref: refers to \"confreg:/this#/title\", which is no schema]");
}

Test(schema, tells_all_faults_of_a_schema)
{
    expect_faults("{\"type\":\"text\",\"minLength\":-1,\"required\":\"a\",\"items\":[],"
                  "\"multipleOf\":0,\"properties\":{\"a\":1}}",
                  "[ type /type: must be one of array, boolean, integer, null, number, object, "
                  "string] "
                  "[ minLength /minLength: must be an integer from 0 on] "
                  "[ required /required: must be an array] "
                  "[ items /items: must be a schema: an object, true or false] "
                  "[ multipleOf /multipleOf: must be more than 0] "
                  "[  /properties/a: must be a schema: an object, true or false]");
    expect_faults("{\"pattern\":\"(?i)a\"}",
                  "[ pattern /pattern: is no regular expression of ECMA-262: a group begins with "
                  "(? and something that ECMA-262 does not know]");
    expect_faults("{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
                  "[ $schema /$schema: must name draft 2020-12 or draft 7, or a metaschema for one "
                  "of them]");
    expect_faults("{\"allOf\":[{\"$ref\":\"#\"}]}", "[  : leads back to itself (after 2 schemas)]");
    expect_faults("{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}",
                  "[  /$defs/b: has an identifier that is there already]");
}

Test(schema, reports_at_most_64_violations)
{
    AUTO_STR value = {0};
    AUTO_STR found = {0};
    str_add_text(&value, "[0");
    for (int i = 0; i < 100; i++) {
        str_add_text(&value, ",0");
    }
    str_add_text(&value, "]");
    AUTO(schema_free) struct schema *schema = compile("{\"items\":false}", &found);
    struct schema_report report = {0};
    cr_assert(!schema_validate(schema, (struct json_text){value.data, value.len}, &report));
    cr_expect_eq(report.n, SCHEMA_VIOLATIONS);
    cr_expect(report.more);
    schema_report_fini(&report);
}

/* ---- Hostile schemas and values: by steps, each of which takes about 20 ns ---- */

static char *repeated(const char *before, const char *what, size_t n, const char *behind)
{
    struct str text = {0};
    str_add_text(&text, before);
    for (size_t i = 0; i < n; i++) {
        str_add_text(&text, what);
    }
    str_add_text(&text, behind);
    return text.data;
}

/* Ends within the steps that a value of its size may take, and says so where `limited`. */
static void expect_bounded(const char *schema, const char *value, bool limited)
{
    AUTO_STR found = {0};
    uint64_t steps = validate(schema, value, &found);
    cr_expect_leq(steps, SCHEMA_STEPS + strlen(value) * SCHEMA_STEPS_PER_BYTE);
    bool says_so = strstr(str_text(&found), "than are allowed") != NULL ||
                   strstr(str_text(&found), "nests more than") != NULL;
    cr_expect_eq(says_so, limited, "%.200s: %.200s", schema, str_text(&found));
}

Test(schema, bounds_regular_expressions)
{
    AUTO(free) char *a = repeated("\"", "a", 100000, "b\"");
    AUTO(free) char *ab = repeated("\"", "ab", 100000, "\"");
    AUTO(free) char *only_a = repeated("\"", "a", 200000, "\"");
    expect_bounded("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
                   true);
    expect_bounded("{\"pattern\":\"^(a+)+$\"}", a, true);
    expect_bounded("{\"pattern\":\"^(a|b)*$\"}", ab, true);
    expect_bounded("{\"not\":{\"pattern\":\"^(a|b)*$\"}}", ab, true);
    expect_bounded("{\"pattern\":\"a*[bc]\"}", only_a, true);
    expect_bounded("{\"pattern\":\"a{60000}[bc]\"}", only_a, true);
    expect_bounded("{\"pattern\":\"(?=a*[xy])b\"}", only_a, true);
    expect_bounded("{\"pattern\":\"^a*$\"}", only_a, false);
    expect_bounded("{\"pattern\":\"aaa\"}", only_a, false);
}

/* 40 schemas, each of which leads to the next one twice. */
static char *explosion(const char *keyword, const char *last)
{
    struct str text = {0};
    str_add_text(&text, "{\"$ref\":\"#/$defs/a0\",\"$defs\":{");
    for (int i = 0; i < 40; i++) {
        str_addf(&text, "\"a%d\":{\"%s\":[{\"$ref\":\"#/$defs/a%d\"},{\"$ref\":\"#/$defs/a%d\"}]},",
                 i, keyword, i + 1, i + 1);
    }
    str_addf(&text, "\"a40\":%s}}", last);
    return text.data;
}

Test(schema, bounds_explosions)
{
    AUTO(free) char *all = explosion("allOf", "{\"type\":\"integer\"}");
    AUTO(free) char *any = explosion("anyOf", "{\"type\":\"string\"}");
    AUTO(free) char *one = explosion("oneOf", "{\"type\":\"integer\"}");
    expect_bounded(all, "1", true);
    expect_bounded(any, "1", true);
    expect_bounded(one, "1", true);
    expect_bounded(
        "{\"$id\":\"http://x/\",\"$dynamicAnchor\":\"a\",\"allOf\":[{\"$dynamicRef\":\"#a\"}]}",
        "1", true);
}

Test(schema, compares_many_items_and_values_once_each)
{
    struct str items = {0};
    struct str schema = {0};
    str_add_text(&items, "[0");
    str_add_text(&schema, "{\"enum\":[0");
    for (int i = 1; i < 100000; i++) {
        str_addf(&items, ",%d", i);
    }
    for (int i = 1; i < 9900; i++) {
        str_addf(&schema, ",%d", i);
    }
    str_add_text(&items, "]");
    str_add_text(&schema, "]}");
    expect_bounded("{\"uniqueItems\":true}", items.data, false);
    AUTO_STR found = {0};
    cr_expect_lt(validate(schema.data, "9899", &found), 10);
    cr_expect_eq(found.len, 0);
    str_fini(&items);
    str_fini(&schema);
}

Test(schema, bounds_the_size_of_schemas)
{
    AUTO(free) char *values = repeated("{\"enum\":[0", ",0", 10000, "]}");
    AUTO(free) char *bytes = repeated("{\"title\":\"", "0123456789", 27000, "\"}");
    expect_faults(values, "[  : has 20012 bytes and 10003 values with all that it refers to, the "
                          "limits are 262144 and 10000]");
    expect_faults(bytes,
                  "[  : has 270012 bytes and 2 values with all that it refers to, the limits "
                  "are 262144 and 10000]");
}
