/* Settings as values of types. tests/integration/test_c_provider.py compares the same with the
 * Python package. */
#include "coercion.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"

TestSuite(coercion, .fini = leak_check);

static struct settings *of_value(const char *value)
{
    char text[512];
    struct settings *settings = NULL;
    struct status st;
    snprintf(text, sizeof text, "{\"v\":%s}", value);
    cr_assert(settings_parse(text, strlen(text), &settings, &st), "%s: %s", text, st.message);
    return settings;
}

struct row {
    const char *value;
    int64_t expected; /* -7: the fallback */
};

typedef int64_t conversion(const struct setting *setting, int64_t fallback);

static void expect_rows(conversion *convert, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(settings_unref) struct settings *settings = of_value(rows[i].value);
        int64_t found = convert(settings_find(settings, "v"), -7);
        cr_assert_eq(found, rows[i].expected, "%s: %ld", rows[i].value, found);
    }
    cr_assert_eq(convert(NULL, -7), -7);
}

static int64_t to_bool(const struct setting *setting, int64_t fallback)
{
    return setting == NULL ? fallback : setting_to_bool(setting, true);
}

Test(coercion, bools)
{
    static const struct row rows[] = {
        {"true", 1},      {"false", 0},    {"null", 0},  {"0", 0},         {"0.0", 0},
        {"-1", 1},        {"0.1", 1},      {"[]", 0},    {"[0]", 1},       {"{}", 0},
        {"{\"a\":0}", 1}, {"\"TRUE\"", 1}, {"\"1\"", 1}, {"\"yes\"", 1},   {"\"On\"", 1},
        {"\"no\"", 0},    {"\"\"", 0},     {"\"2\"", 0}, {"\" true\"", 0}, {"\"true\\u0000\"", 0}};
    expect_rows(to_bool, rows, COUNT_OF(rows));
    cr_assert(setting_to_bool(NULL, true));
    cr_assert_not(setting_to_bool(NULL, false));
}

Test(coercion, integers)
{
    static const struct row rows[] = {
        {"3", 3},
        {"3.9", 3},
        {"-3.9", -3},
        {"1e3", 1000},
        {"true", 1},
        {"false", 0},
        {"null", -7},
        {"[]", -7},
        {"{}", -7},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9.3e18", -7},
        {"-1e300", -7},
        {"\"42\"", 42},
        {"\" 42\\n\"", 42},
        {"\"+42\"", 42},
        {"\"-042\"", -42},
        {"\"1_000\"", 1000},
        {"\"1__0\"", -7},
        {"\"_1\"", -7},
        {"\"1_\"", -7},
        {"\"- 1\"", -7},
        {"\"3.9\"", -7},
        {"\"1e3\"", -7},
        {"\"0x10\"", -7},
        {"\"\"", -7},
        {"\"+\"", -7},
        {"\"1\\u0000\"", -7},
        {"\"9223372036854775807\"", INT64_MAX},
        {"\"-9223372036854775808\"", INT64_MIN},
        {"\"9223372036854775808\"", -7},
        {"\"99999999999999999999\"", -7},
    };
    expect_rows(setting_to_int64, rows, COUNT_OF(rows));
}

static void expect_double(const char *value, double expected)
{
    AUTO(settings_unref) struct settings *settings = of_value(value);
    double found = setting_to_double(settings_find(settings, "v"), -7);
    cr_assert(found == expected || (isnan(found) && isnan(expected)), "%s: %g", value, found);
}

Test(coercion, doubles_in_any_locale)
{
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it exists: a comma is its decimal point */
    expect_double("1.5", 1.5);
    expect_double("3", 3);
    expect_double("true", 1);
    expect_double("null", -7);
    expect_double("[1]", -7);
    expect_double("\" -1.5e3 \"", -1500);
    expect_double("\".5\"", .5);
    expect_double("\"5.\"", 5);
    expect_double("\"1_0.0_1\"", 10.01);
    expect_double("\"inf\"", INFINITY);
    expect_double("\"-Infinity\"", -INFINITY);
    expect_double("\"nan\"", NAN);
    expect_double("\"nan(1)\"", -7);
    expect_double("\"0x1p3\"", -7);
    expect_double("\"1,5\"", -7);
    expect_double("\"1.5s\"", -7);
    expect_double("\"\"", -7);
    expect_double("\".\"", -7);
}

Test(coercion, durations)
{
    static const struct row rows[] = {
        {"250", 250},           {"1.9", 1},           {"-1", -7},          {"\"250\"", 250},
        {"\"250ms\"", 250},     {"\"2s\"", 2000},     {"\"1.5s\"", 1500},  {"\"2m\"", 120000},
        {"\"1h30m\"", 5400000}, {"\"1d\"", 86400000}, {"\"1H\"", 3600000}, {"\"0\"", 0},
        {"\"-1s\"", -7},        {"\"1y\"", -7},       {"\"s\"", -7},       {"\"1h-2m\"", -7},
        {"\"\"", -7},           {"true", -7},         {"null", -7},        {"\"1e300d\"", -7},
        {"\"infs\"", -7},       {"\"inf\"", -7}};
    expect_rows(setting_to_duration_ms, rows, COUNT_OF(rows));
}

Test(coercion, sizes)
{
    static const struct row rows[] = {
        {"4096", 4096},        {"\"4096\"", 4096},      {"\"1kB\"", 1000},
        {"\"1KiB\"", 1024},    {"\"1k\"", 1024},        {"\"2M\"", 2 << 20},
        {"\"2MB\"", 2000000},  {"\"1.5GiB\"", 3 << 29}, {"\"1T\"", INT64_C(1) << 40},
        {"\"10B\"", 10},       {"\"1K1K\"", -7},        {"\"1 MB\"", -7},
        {"\"-1\"", -7},        {"\"1X\"", -7},          {"null", -7},
        {"\"9999999TiB\"", -7}};
    expect_rows(setting_to_size, rows, COUNT_OF(rows));
}
