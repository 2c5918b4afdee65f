#include "when.h"

#include <inttypes.h>

#include "clock.h"
#include "leak_check.h"
#include "mem.h"

TestSuite(when, .fini = leak_check);

#define NOW INT64_C(1769851120507038) /* 2026-01-31T09:18:40.507038Z */
#define SECOND INT64_C(1000000)

Test(when, times)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00.000001Z", 1},
        {"1970-01-01T00:00:00.5Z", SECOND / 2},
        {"1970-01-01T00:00:00.0000019Z", 1},
        {"1970-01-01T00:00:00.00000000000000000001Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1970-01-01T01:00:00 01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2000-02-29T00:00:00Z", 951782400 * SECOND},
        {"2026-01-31T09:18:40.507038Z", NOW},
        {"0001-01-01T00:00:00Z", -62135596800 * SECOND},
        {"9999-12-31T23:59:59.999999Z", 253402300799 * SECOND + 999999},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t us = 0;
        cr_expect(when_parse(good[i].text, NOW, &us) && us == good[i].us, "%s gave %" PRId64,
                  good[i].text, us);
    }
}

Test(when, how_long_ago)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"-0s", 0},         {"-1s", 1},       {"-90m", 5400},         {"-1h", 3600},
        {"-7d", 7 * 86400}, {"-2w", 1209600}, {"-000000001d", 86400}, {"-99999w", 60479395200},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t us = 0;
        cr_expect(when_parse(good[i].text, NOW, &us) && us == NOW - good[i].seconds * SECOND,
                  "%s gave %" PRId64, good[i].text, us);
    }
}

/* -210591570d: its microseconds would wrap round to a time that is valid. */
Test(when, what_is_no_time)
{
    static const char *const bad[] = {
        "",
        "-",
        "-s",
        "-1",
        "-1y",
        "-1dd",
        "-1 d",
        "--1d",
        "-1.5d",
        "-999999w",
        "-999999999d",
        "-210591570d",
        "-999999999w",
        "-1000000000s",
        "1h",
        "+1h",
        "now",
        "2026",
        "2026-01-31",
        "2026-01-31T09:18Z",
        "2026-01-31T09:18:40",
        "2026-1-31T09:18:40Z",
        "2026-00-31T09:18:40Z",
        "2026-13-31T09:18:40Z",
        "2026-02-29T09:18:40Z",
        "2100-02-29T09:18:40Z",
        "2026-04-31T09:18:40Z",
        "2026-01-00T09:18:40Z",
        "2026-01-31T24:18:40Z",
        "2026-01-31T09:60:40Z",
        "2026-01-31T09:18:60Z",
        "2026-01-31T09:18:40.Z",
        "2026-01-31T09:18:40+0100",
        "2026-01-31T09:18:40+24:00",
        "2026-01-31T09:18:40+01:60",
        "2026-01-31T09:18:40+01:00:00",
        "2026-01-31T09:18:40Z ",
        "+026-01-31T09:18:40Z",
        "10000-01-01T00:00:00Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t us;
        cr_expect_not(when_parse(bad[i], NOW, &us), "%s", bad[i]);
    }
}

Test(when, what_an_answer_shows_can_be_given_back)
{
    for (int64_t us = -62135596800 * SECOND; us < 253402300799 * SECOND; us += 598290598290598) {
        char text[CLOCK_TEXT_SIZE];
        int64_t again = 0;
        clock_format(us, text);
        cr_assert(when_parse(text, NOW, &again) && again == us, "%s gave %" PRId64, text, again);
    }
}
