#include "freshness.h"

#include <string.h>

#include "config_request.h"
#include "leak_check.h"

TestSuite(freshness, .fini = leak_check);

#define EPOCH "0123456789abcdef"
#define OTHER "fedcba9876543210"

static struct freshness parse(const char *cache_control, const char *prefer, const char *minimum,
                              size_t *ret_faults)
{
    struct freshness found;
    struct invalid invalid = {0};
    freshness_parse(cache_control, prefer, minimum, &found, &invalid);
    *ret_faults = invalid.n;
    invalid_fini(&invalid);
    return found;
}

Test(freshness, cache_control)
{
    static const struct {
        const char *text;
        bool no_cache;
    } cases[] = {
        {"no-cache", true},
        {"No-Cache", true},
        {"max-age=0, no-cache", true},
        {"max-age=0,no-cache ,no-store", true},
        {" ,, no-cache", true},
        {"", false},
        {",", false},
        {"max-age=0", false},
        {"no-cache-at-all", false},
        {"no-cach", false},
        {"x=no-cache", false},
        {NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t faults;
        cr_expect_eq(parse(cases[i].text, NULL, NULL, &faults).no_cache, cases[i].no_cache, "%s",
                     cases[i].text);
        cr_expect_eq(faults, 0);
    }
}

Test(freshness, preferred_waits)
{
    static const struct {
        const char *text;
        unsigned wait_s;
    } cases[] = {
        {"wait=10", 10},
        {"Wait=10", 10},
        {"respond-async, wait=5", 5},
        {"respond-async; wait=5", 0}, /* a parameter of respond-async */
        {"respond-async; x=\", wait=7\", wait=5", 5},
        {"wait=5; x=1, y", 5},
        {"wait=\"5\"", 5},
        {"WAIT = \"1\\0\"", 10},
        {"x=\"wait=7\\\", wait=8\", wait=\"5\"", 5},
        {"wait=\"5", 0},
        {"wait=\"\"", 0},
        {"wait=\"", 0},
        {"wait=\"5\\", 0},
        {"=, @, wait=5", 5},
        {"wait;x, wait=5", 0}, /* the first counts */
        {"wait=x, wait=5", 0},
        {"wait=5, wait=7", 5},
        {"wait=60", 60},
        {"wait=61", 60},
        {"wait=99999999999999999999", 60},
        {"wait=007", 7},
        {"wait=0", 0},
        {"wait=", 0},
        {"wait", 0},
        {"wait=-1", 0},
        {"wait=1.5", 0},
        {"wait=x", 0},
        {"await=5", 0},
        {"", 0},
        {NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t faults;
        cr_expect_eq(parse(NULL, cases[i].text, NULL, &faults).wait_s, cases[i].wait_s, "%s",
                     cases[i].text);
        cr_expect_eq(faults, 0);
    }
}

Test(freshness, minimums)
{
    static const struct {
        const char *text;
        size_t faults;
        uint64_t revision;
    } cases[] = {
        {EPOCH "-7", 0, 7},
        {EPOCH "-0", 0, 0},
        {EPOCH "-3.9", 0, 9},
        {EPOCH "-9.0", 0, 9},
        {EPOCH "-18446744073709551615", 0, UINT64_MAX},
        {EPOCH "-18446744073709551616", 1, 0},
        {"\"" EPOCH "-7\"", 1, 0},
        {EPOCH "-", 1, 0},
        {EPOCH "-7.", 1, 0},
        {EPOCH "-.7", 1, 0},
        {EPOCH "-1.2.3", 1, 0},
        {EPOCH "-07", 1, 0},
        {EPOCH, 1, 0},
        {"7", 1, 0},
        {"", 1, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t faults;
        struct freshness found = parse(NULL, NULL, cases[i].text, &faults);
        cr_expect_eq(faults, cases[i].faults, "%s", cases[i].text);
        if (faults == 0) {
            cr_expect(found.bounded);
            cr_expect_str_eq(found.minimum.epoch, EPOCH);
            cr_expect_eq(found.minimum.revision, cases[i].revision, "%s", cases[i].text);
        }
    }
}

Test(freshness, what_was_handed_out_only_rises_within_a_log)
{
    struct handed_out handed = {0};
    handed_out_raise(&handed, EPOCH, 5);
    handed_out_raise(&handed, EPOCH, 3);
    cr_expect_eq(handed.revision, 5);
    cr_expect_str_eq(handed.epoch, EPOCH);
    handed_out_raise(&handed, OTHER, 2);
    cr_expect_eq(handed.revision, 2);
    cr_expect_str_eq(handed.epoch, OTHER);
}

/* A mirror at revision 10 of EPOCH. */
Test(freshness, what_a_mirror_may_answer)
{
    static const struct {
        const char *title;
        enum mirror_state state;
        const char *handed_epoch;
        uint64_t handed;
        const char *cache_control, *minimum, *if_none_match;
        bool allowed;
    } cases[] = {
        {"in step", MIRROR_IN_STEP, "", 0, NULL, NULL, NULL, true},
        {"stale", MIRROR_STALE, "", 0, NULL, NULL, NULL, true},
        {"loading", MIRROR_LOADING, "", 0, NULL, NULL, NULL, false},
        {"no-cache", MIRROR_IN_STEP, "", 0, "no-cache", NULL, NULL, false},
        {"as new as handed out", MIRROR_IN_STEP, EPOCH, 10, NULL, NULL, NULL, true},
        {"older than handed out", MIRROR_IN_STEP, EPOCH, 11, NULL, NULL, NULL, false},
        {"stale and older", MIRROR_STALE, EPOCH, 11, NULL, NULL, NULL, false},
        {"another log before", MIRROR_IN_STEP, OTHER, 99, NULL, NULL, NULL, true},
        {"stale, another log now", MIRROR_STALE, OTHER, 1, NULL, NULL, NULL, false},
        {"minimum met", MIRROR_IN_STEP, "", 0, NULL, EPOCH "-10", NULL, true},
        {"minimum not met", MIRROR_IN_STEP, "", 0, NULL, EPOCH "-11", NULL, false},
        {"minimum of another log", MIRROR_IN_STEP, "", 0, NULL, OTHER "-1", NULL, false},
        {"stale, minimum met", MIRROR_STALE, "", 0, NULL, EPOCH "-9", NULL, true},
        {"known", MIRROR_IN_STEP, "", 0, NULL, NULL, "\"" EPOCH "-10\"", true},
        {"newer known", MIRROR_IN_STEP, "", 0, NULL, NULL, "\"" EPOCH "-11\"", false},
        {"newer known weakly", MIRROR_IN_STEP, "", 0, NULL, NULL, "\"x\", W/\"" EPOCH "-11\"",
         false},
        {"newer pair known", MIRROR_IN_STEP, "", 0, NULL, NULL, "\"" EPOCH "-3.11\"", false},
        {"newer of another log", MIRROR_IN_STEP, "", 0, NULL, NULL, "\"" OTHER "-11\"", true},
        {"any known", MIRROR_IN_STEP, "", 0, NULL, NULL, "*", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t faults;
        struct upstream upstream = {0};
        struct gateway gateway = {.upstream = &upstream};
        struct config_request c = {.upstream.base.gateway = &gateway};
        const struct mirror_view view = {.state = cases[i].state, .epoch = EPOCH, .revision = 10};
        if (cases[i].handed_epoch[0] != '\0') {
            handed_out_raise(&upstream.handed, cases[i].handed_epoch, cases[i].handed);
        }
        c.freshness = parse(cases[i].cache_control, NULL, cases[i].minimum, &faults);
        c.upstream.base.headers.if_none_match = cases[i].if_none_match;
        cr_expect_eq(freshness_allows(&c, &view), cases[i].allowed, "%s", cases[i].title);
    }
}

Test(freshness, a_stale_answer_says_so)
{
    struct request r = {0};
    const struct mirror_view in_step = {.state = MIRROR_IN_STEP};
    const struct mirror_view stale = {.state = MIRROR_STALE, .age_ms = 61999};
    freshness_describe(&r, &in_step);
    cr_expect_eq(r.response.n_headers, 0);
    freshness_describe(&r, &stale);
    cr_assert_eq(r.response.n_headers, 2);
    cr_expect_str_eq(r.response.headers[0].name, "Age");
    cr_expect_str_eq(r.response.headers[0].value, "61");
    cr_expect_eq(strncmp(r.response.headers[1].value, "110 ", 4), 0);
    request_fini(&r);
}
