#include "traceparent.h"

#include <criterion/criterion.h>
#include <string.h>

#include "mem.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define WHOLE "00-" TRACE "-" PARENT "-01"

Test(traceparent, values)
{
    static const char *const cases[][2] = {
        {WHOLE, WHOLE},
        {"00-" TRACE "-" PARENT "-ff", "00-" TRACE "-" PARENT "-ff"},
        {"01-" TRACE "-" PARENT "-01", WHOLE},
        {"fe-" TRACE "-" PARENT "-01-more.of it", WHOLE},
        {"", ""},
        {"00", ""},
        {WHOLE "-more", ""},
        {WHOLE "0", ""},
        {"01-" TRACE "-" PARENT "-01more", ""},
        {"01-" TRACE "-" PARENT "-01-, " WHOLE, ""},
        {WHOLE ", " WHOLE, ""},
        {"ff-" TRACE "-" PARENT "-01", ""},
        {"0g-" TRACE "-" PARENT "-01", ""},
        {"00-00000000000000000000000000000000-" PARENT "-01", ""},
        {"00-" TRACE "-0000000000000000-01", ""},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", ""},
        {"00-" TRACE "-" PARENT "-0", ""},
        {"00-" TRACE "-" PARENT "-0x", ""},
        {"00_" TRACE "-" PARENT "-01", ""},
        {"00-" TRACE "_" PARENT "-01", ""},
        {"00-" TRACE "-" PARENT "_01", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char found[TRACEPARENT_SIZE] = "before";
        bool good = traceparent_parse(cases[i][0], strlen(cases[i][0]), found);
        cr_expect_str_eq(found, cases[i][1], "%s", cases[i][0]);
        cr_expect_eq(good, cases[i][1][0] != '\0');
    }
}
