/* Numbers as exact decimals. Equality is checked by test_json_edit.c and test_numbers.py, too. */
#include <criterion/criterion.h>
#include <string.h>

#include "json_number.h"

static struct json_text text(const char *number)
{
    return (struct json_text){number, strlen(number)};
}

Test(json_number, orders)
{
    static const char *const ascending[] = {
        "-1e300",
        "-10",
        "-9.99999999999999999999",
        "-1e-99999999999999999999999",
        "0",
        "1e-99999999999999999999999",
        "0.1",
        "0.10000000000000000000000001",
        "1",
        "9007199254740992",
        "9007199254740993",
        "123456789012345678.25",
        "123456789012345678.5",
        "1e99999999999999999999",
        "1e99999999999999999999999",
    };
    for (size_t i = 0; i < COUNT_OF(ascending); i++) {
        for (size_t k = 0; k < COUNT_OF(ascending); k++) {
            int order = json_number_compare(text(ascending[i]), text(ascending[k]));
            cr_expect_eq((order > 0) - (order < 0), (i > k) - (i < k), "%s, %s: %d", ascending[i],
                         ascending[k], order);
        }
    }
    cr_expect_eq(json_number_compare(text("-0"), text("0.0e5")), 0);
    cr_expect_eq(json_number_compare(text("1.50"), text("15e-1")), 0);
}

Test(json_number, knows_integers)
{
    static const char *const integers[] = {"0",     "-0.0",
                                           "1",     "1.0",
                                           "10e-1", "1e300",
                                           "-5",    "0e-99999999999999999999",
                                           "1.5e1", "1e99999999999999999999999"};
    static const char *const others[] = {
        "0.1", "1.5", "15e-1", "1e-99999999999999999999999", "-0.000001", "1.23e1"};
    for (size_t i = 0; i < COUNT_OF(integers); i++) {
        cr_expect(json_number_is_integer(text(integers[i])), "%s", integers[i]);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        cr_expect_not(json_number_is_integer(text(others[i])), "%s", others[i]);
    }
}

Test(json_number, knows_multiples)
{
    static const char *const multiples[][2] = {{"19.99", "0.01"},
                                               {"0", "7"},
                                               {"1e300", "1e-300"},
                                               {"4.5", "1.5"},
                                               {"-6", "2"},
                                               {"0.3", "0.1"},
                                               {"1e99", "1024"},
                                               {"36028797018963968", "36028797018963968"},
                                               {"1e20", "0.00000000000000001"}};
    static const char *const others[][2] = {{"19.999", "0.01"},
                                            {"1e300", "7"},
                                            {"0.35", "0.1"},
                                            {"1e-301", "1e-300"},
                                            {"9007199254740993", "9007199254740992"},
                                            {"1", "999999999999999999"},
                                            {"1e2", "1024"}};
    for (size_t i = 0; i < COUNT_OF(multiples); i++) {
        cr_expect(json_number_is_multiple(text(multiples[i][0]), text(multiples[i][1])), "%s, %s",
                  multiples[i][0], multiples[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        cr_expect_not(json_number_is_multiple(text(others[i][0]), text(others[i][1])), "%s, %s",
                      others[i][0], others[i][1]);
    }
}

static void expect_count(const char *number, uint64_t wanted)
{
    uint64_t count = 0;
    cr_expect(json_number_to_count(text(number), &count), "%s", number);
    cr_expect_eq(count, wanted, "%s", number);
}

Test(json_number, counts)
{
    uint64_t count;
    expect_count("0", 0);
    expect_count("-0", 0);
    expect_count("2.0", 2);
    expect_count("1.5e1", 15);
    expect_count("18446744073709551615", UINT64_MAX);
    expect_count("18446744073709551616", UINT64_MAX);
    expect_count("1e99999999999999999999", UINT64_MAX);
    cr_expect_not(json_number_to_count(text("-1"), &count));
    cr_expect_not(json_number_to_count(text("0.5"), &count));
    cr_expect_eq(json_number_digits(text("-0.0012300e5")), 3);
    cr_expect_eq(json_number_digits(text("1.05")), 3);
    cr_expect_eq(json_number_digits(text("0.0")), 0);
}

Test(json_number, hashes_equal_numbers_alike)
{
    static const char *const equal[][2] = {
        {"1", "1.0"},     {"10", "1e1"},
        {"100", "1e2"},   {"0", "-0.0"},
        {"1.5", "15e-1"}, {"1e-99999999999999999999", "10e-100000000000000000000"},
        {"120", "12e1"},  {"1e36028797018963968", "10e36028797018963967"}};
    for (size_t i = 0; i < COUNT_OF(equal); i++) {
        cr_expect(json_number_equal(text(equal[i][0]), text(equal[i][1])), "%s", equal[i][0]);
        cr_expect_eq(json_number_hash(text(equal[i][0])), json_number_hash(text(equal[i][1])), "%s",
                     equal[i][0]);
    }
    cr_expect_neq(json_number_hash(text("1")), json_number_hash(text("10")));
    cr_expect_neq(json_number_hash(text("1")), json_number_hash(text("-1")));
}
