#include "etag.h"

#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "mem.h"

TestSuite(etag, .fini = leak_check);

#define EPOCH "0123456789abcdef"

Test(etag, format)
{
    char text[ETAG_SIZE];
    etag_format(EPOCH, 0, text);
    cr_expect_str_eq(text, EPOCH "-0");
    etag_format(EPOCH, UINT64_MAX, text);
    cr_expect_str_eq(text, EPOCH "-18446744073709551615");
    etag_format_pair(EPOCH, UINT64_MAX, UINT64_MAX, text);
    cr_expect_str_eq(text, EPOCH "-18446744073709551615.18446744073709551615");
    etag_format_pair(EPOCH, 7, 0, text);
    cr_expect_str_eq(text, EPOCH "-7.0");
    etag_format(EPOCH "and more than an epoch has", 7, text);
    cr_expect_str_eq(text, EPOCH "-7");
}

Test(etag, if_none_match)
{
    static const struct {
        const char *list;
        bool has;
    } cases[] = {
        {"\"a-1\"", true},       {" \"a-1\" ", true},
        {"W/\"a-1\"", true},     {"\"x\", \"a-1\"", true},
        {"\"x\",\"a-1\"", true}, {"W/\"x\" , W/\"a-1\" , \"y\"", true},
        {",,\"a-1\"", true},     {"*", true},
        {" * ", true},           {"", false},
        {"a-1", false},          {"\"a-1", false},
        {"\"a-11\"", false},     {"\"a-\"", false},
        {"\"\"", false},         {"\"x\" \"a-1\"", false},
        {"x, \"a-1\"", false},   {"w/\"a-1\"", false},
        {"**", false},           {"\"x,a-1\"", false},
        {"\"x\", *", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum coding coding;
        bool has = etag_list_find(cases[i].list, "a-1", &coding);
        cr_expect_eq(has, cases[i].has, "%s", cases[i].list);
    }
}

/* The tag of a compressed form names the same version. */
Test(etag, forms)
{
    static const struct {
        const char *list;
        bool has;
        enum coding coding;
    } cases[] = {
        {"\"a-1\"", true, CODING_PLAIN},
        {"\"a-1-gzip\"", true, CODING_GZIP},
        {"W/\"a-1-gzip\"", true, CODING_GZIP},
        {"\"x-gzip\", \"a-1-gzip\", \"a-1\"", true, CODING_GZIP},
        {"*", true, CODING_PLAIN},
        {"\"a-1-gzip-gzip\"", false, CODING_PLAIN},
        {"\"a-1-br\"", false, CODING_PLAIN},
        {"\"-gzip\"", false, CODING_PLAIN},
        {"\"gzip\"", false, CODING_PLAIN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum coding coding = CODING_PLAIN;
        cr_expect_eq(etag_list_find(cases[i].list, "a-1", &coding), cases[i].has, "%s",
                     cases[i].list);
        cr_expect_eq(coding, cases[i].coding, "%s", cases[i].list);
    }
    char text[ETAG_QUOTED_SIZE];
    etag_quote("a-1", CODING_PLAIN, text);
    cr_expect_str_eq(text, "\"a-1\"");
    etag_quote(EPOCH "-18446744073709551615.18446744073709551615", CODING_GZIP, text);
    cr_expect_str_eq(text, "\"" EPOCH "-18446744073709551615.18446744073709551615-gzip\"");
    struct etag_set set;
    etag_set_parse("\"" EPOCH "-7-gzip\"", ETAG_STRONG, &set);
    cr_expect(etag_set_has(&set, &(struct expectation){EPOCH, 7}) && !set.malformed);
    etag_set_fini(&set);
}

Test(etag, if_match)
{
    static const struct {
        const char *list;
        bool given, any;
        size_t n;
        uint64_t first;
    } cases[] = {
        {NULL, false, false, 0, 0},
        {"", true, false, 0, 0},
        {"*", true, true, 0, 0},
        {"\"" EPOCH "-7\"", true, false, 1, 7},
        {"\"" EPOCH "-18446744073709551615\"", true, false, 1, UINT64_MAX},
        {"\"" EPOCH "-18446744073709551616\"", true, false, 0, 0},
        {"\"x\", \"" EPOCH "-7\", \"" EPOCH "-8\"", true, false, 2, 7},
        {"W/\"" EPOCH "-7\"", true, false, 0, 0},
        {"\"" EPOCH "-0\"", true, false, 0, 0},
        {"\"" EPOCH "-07\"", true, false, 0, 0},
        {"\"" EPOCH "-\"", true, false, 0, 0},
        {"\"" EPOCH "-7x\"", true, false, 0, 0},
        {"\"" EPOCH "-7.8\"", true, false, 0, 0},
        {"\"" EPOCH "7\"", true, false, 0, 0},
        {"\"0123456789ABCDEF-7\"", true, false, 0, 0},
        {"\"123456789abcdef-7\"", true, false, 0, 0},
        {"\"-7\"", true, false, 0, 0},
        {EPOCH "-7", true, false, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *shown = cases[i].list == NULL ? "none" : cases[i].list;
        struct etag_set found;
        etag_set_parse(cases[i].list, ETAG_STRONG, &found);
        cr_expect_eq(found.given, cases[i].given, "%s", shown);
        cr_expect_eq(found.any, cases[i].any, "%s", shown);
        cr_expect_eq(found.n, cases[i].n, "%s: %zu", shown, found.n);
        if (found.n > 0) {
            cr_expect_str_eq(found.tags[0].epoch, EPOCH);
            cr_expect_eq(found.tags[0].revision, cases[i].first, "%s", shown);
        }
        etag_set_fini(&found);
    }
}

Test(etag, ids_of_events)
{
    static const struct {
        const char *text;
        bool sound;
        uint64_t revision, rights;
    } cases[] = {
        {EPOCH ":7", true, 7, 0},
        {EPOCH ":0", true, 0, 0},
        {EPOCH ":18446744073709551615", true, UINT64_MAX, 0},
        {EPOCH ":7:00000000000000fe", true, 7, 0xfe},
        {EPOCH ":18446744073709551615:ffffffffffffffff", true, UINT64_MAX, UINT64_MAX},
        {EPOCH ":7:", false, 0, 0},
        {EPOCH ":7:fe", false, 0, 0},
        {EPOCH ":7:00000000000000FE", false, 0, 0},
        {EPOCH ":7:00000000000000fe:", false, 0, 0},
        {EPOCH "::00000000000000fe", false, 0, 0},
        {EPOCH ":18446744073709551616", false, 0, 0},
        {EPOCH ":", false, 0, 0},
        {EPOCH ":07", false, 0, 0},
        {EPOCH ":7.8", false, 0, 0},
        {EPOCH ":7 ", false, 0, 0},
        {EPOCH "-7", false, 0, 0},
        {"0123456789ABCDEF:7", false, 0, 0},
        {":7", false, 0, 0},
        {"7", false, 0, 0},
        {"", false, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct event_id found;
        char text[EVENT_ID_SIZE];
        cr_expect_eq(event_id_parse(cases[i].text, &found), cases[i].sound, "%s", cases[i].text);
        if (cases[i].sound) {
            cr_expect_str_eq(found.last.epoch, EPOCH);
            cr_expect_eq(found.last.revision, cases[i].revision, "%s", cases[i].text);
            cr_expect_eq(found.rights, cases[i].rights, "%s", cases[i].text);
            event_id_format(&found, text);
            cr_expect_str_eq(text, cases[i].text);
        }
    }
}

Test(etag, a_set_has_no_bound_of_its_own)
{
    char list[400 * (ETAG_SIZE + 4)] = "";
    for (int i = 1; i <= 400; i++) {
        snprintf(list + strlen(list), ETAG_SIZE + 4, "\"" EPOCH "-%d\", ", i);
    }
    struct etag_set found;
    etag_set_parse(list, ETAG_STRONG, &found);
    cr_expect_eq(found.n, 400);
    cr_expect(etag_set_has(&found, &(struct expectation){EPOCH, 400}));
    cr_expect_not(etag_set_has(&found, &(struct expectation){EPOCH, 401}));
    cr_expect_not(etag_set_has(&found, &(struct expectation){"fedcba9876543210", 400}));
    cr_expect_not(found.malformed);
    etag_set_fini(&found);
}

Test(etag, weak_tags_and_what_is_none)
{
    static const struct {
        const char *list;
        bool strong, weak, malformed; /* whether they have revision 7 */
    } cases[] = {
        {NULL, false, false, false},
        {"", false, false, false},
        {"*", true, true, false},
        {"*, \"" EPOCH "-7\"", false, false, true},
        {"\"" EPOCH "-7\"", true, true, false},
        {"W/\"" EPOCH "-7\"", false, true, false},
        {"w/\"" EPOCH "-7\"", false, false, true},
        {" ,\"x\" , W/\"" EPOCH "-7\",", false, true, false},
        {"\"" EPOCH "-7\" \"" EPOCH "-8\"", false, false, true},
        {"\"" EPOCH "-7.1\"", false, false, false},
        {EPOCH "-7", false, false, true},
        {"\"" EPOCH "-7", false, false, true},
    };
    const struct expectation head = {EPOCH, 7};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *shown = cases[i].list == NULL ? "none" : cases[i].list;
        struct etag_set strong, weak;
        etag_set_parse(cases[i].list, ETAG_STRONG, &strong);
        etag_set_parse(cases[i].list, ETAG_WEAK, &weak);
        cr_expect_eq(etag_set_has(&strong, &head), cases[i].strong, "%s", shown);
        cr_expect_eq(etag_set_has(&weak, &head), cases[i].weak, "%s", shown);
        cr_expect_eq(weak.malformed, cases[i].malformed, "%s", shown);
        etag_set_fini(&strong);
        etag_set_fini(&weak);
    }
}
