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
