#include "clock.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "leak_check.h"

TestSuite(clock, .fini = leak_check);

Test(clock, format)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {999999, "1970-01-01T00:00:00.999999Z"},
        {1000000, "1970-01-01T00:00:01.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59.000000Z"},
        {-1000001, "1969-12-31T23:59:58.999999Z"},
        {951782399999999, "2000-02-28T23:59:59.999999Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z"},
        {1769851120507038, "2026-01-31T09:18:40.507038Z"},
        {4107542399000000, "2100-02-28T23:59:59.000000Z"},
        {4107542400000000, "2100-03-01T00:00:00.000000Z"},
        {253402300799999999, "9999-12-31T23:59:59.999999Z"},
        {253402300800000000, "10000-01-01T00:00:00.000000Z"},
        {INT64_MAX, "294247-01-10T04:00:54.775807Z"},
        {INT64_MIN, "-290308-12-21T19:59:05.224192Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_format(cases[i].us, text);
        cr_expect_str_eq(text, cases[i].text, "%" PRId64 " gave %s", cases[i].us, text);
    }
}

Test(clock, monotonic_never_goes_back)
{
    int64_t before = clock_monotonic_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_monotonic_ns();
        cr_assert(now >= before);
        before = now;
    }
}

Test(clock, wall_is_the_time_of_day_in_microseconds)
{
    time_t before = time(NULL);
    int64_t now = clock_wall_us();
    time_t after = time(NULL);
    cr_expect(now / 1000000 >= before - 1 && now / 1000000 <= after + 1);
}

Test(clock, a_time_is_read_back)
{
    static const int64_t times[] = {0, 1, 999999, INT64_C(951782399123456),
                                    INT64_C(253402300799999999)};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[CLOCK_TEXT_SIZE];
        int64_t found;
        clock_format(times[i], text);
        cr_assert(clock_parse(text, &found), "%s", text);
        cr_expect_eq(found, times[i], "%s", text);
    }
}

Test(clock, times_have_one_form)
{
    int64_t found;
    cr_expect(clock_parse("2030-01-01T00:00:00Z", &found));
    cr_expect_eq(found, INT64_C(1893456000000000));
    cr_expect(clock_parse("2028-02-29T23:59:59.5Z", &found));
    cr_expect_eq(found % 1000000, 500000);
    static const char *const others[] = {
        "",
        "2030",
        "2030-01-01",
        "2030-01-01T00:00:00",
        "2030-01-01 00:00:00Z",
        "2030-01-01T00:00:00z",
        "2030-01-01T00:00:00+00:00",
        "2030-01-01T00:00:00.Z",
        "2030-01-01T00:00:00.1234567Z",
        "2030-01-01T00:00:00ZZ",
        "2030-02-29T00:00:00Z",
        "2030-13-01T00:00:00Z",
        "2030-00-01T00:00:00Z",
        "2030-01-00T00:00:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T00:60:00Z",
        "2030-01-01T00:00:60Z",
        "1969-12-31T23:59:59Z",
        "+030-01-01T00:00:00Z",
        "2030-1-01T00:00:00Z",
        "20300-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_expect(!clock_parse(others[i], &found), "%s", others[i]);
    }
}

Test(clock, a_time_ahead_does_not_overflow)
{
    int64_t now = clock_monotonic_ns();
    cr_expect_geq(clock_after_ms(20), now + 20 * INT64_C(1000000));
    cr_expect_lt(clock_after_ms(20), now + 20 * INT64_C(1000000000));
    cr_expect_gt(clock_after_ms(INT64_MAX), now + INT64_MAX / 4);
    cr_expect_gt(clock_after_ms(INT64_MAX / 1000000), now + INT64_MAX / 4);
    cr_expect_geq(clock_after_ms(-1), now);
    cr_expect_lt(clock_after_ms(INT64_MIN), now + 20 * INT64_C(1000000000));
}
