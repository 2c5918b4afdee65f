#include "conditions.h"

#include <inttypes.h>
#include <stdio.h>

#include "config_request.h"
#include "leak_check.h"
#include "routes.h"

TestSuite(conditions, .fini = leak_check);

#define EPOCH "0123456789abcdef"

static const struct route route = {.path = "/", .kind = &config_write};

static void start(struct config_request *c, const char *if_match, const char *if_none_match)
{
    struct invalid invalid = {0};
    *c = (struct config_request){.upstream.base.route = &route};
    conditions_parse(if_match, if_none_match, &c->conditions, &invalid);
    cr_assert_eq(invalid.n, 0);
}

/* The server's refusal: the head is another one. */
static void refuse(struct status *st, uint64_t revision)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, revision);
    status_set_outcome(st, OUTCOME_REVISION_MISMATCH, "the head is another one");
    status_add_info(st, "current_epoch", EPOCH);
    status_add_info(st, "current_revision", number);
    status_add_info(st, "current_version", "1");
}

/* Others write again and again: each attempt finds another head, which the conditions allow. */
Test(conditions, attempts_are_bounded)
{
    static const struct {
        const char *if_match, *if_none_match;
    } cases[] = {{"*", NULL}, {NULL, "\"" EPOCH "-1\""}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct config_request c;
        struct request *r = &c.upstream.base;
        enum conditions_next next = CONDITIONS_RETRY;
        unsigned n = 0;
        start(&c, cases[i].if_match, cases[i].if_none_match);
        while (next == CONDITIONS_RETRY && n < 1000) {
            struct status st;
            char *epoch;
            uint64_t revision;
            cr_assert(conditions_expect(r, &epoch, &revision));
            refuse(&st, 10 + n++);
            next = conditions_after(r, &st);
        }
        cr_expect_eq(n, CONDITIONS_ATTEMPTS);
        cr_expect_eq(next, CONDITIONS_ANSWERED);
        cr_expect_eq(r->response.status, 503);
        request_fini(r);
    }
}
