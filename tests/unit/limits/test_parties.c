#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "parties.h"

static struct limits *limits;
static struct status st;

static void setup(void)
{
    const struct limits_settings settings = {
        .most = {[LIMIT_CALLS] = 10, [LIMIT_BYTES] = 1000},
        .total = {[LIMIT_BYTES] = 1500},
        .rates = {[LIMIT_WRITES] = {1000, 5}},
    };
    limits = limits_new(&settings);
}

static void teardown(void)
{
    limits_free(limits);
}

TestSuite(parties, .init = setup, .fini = teardown);

static struct party *party(const char *key)
{
    return limits_party(limits, key, strlen(key));
}

static double shown(const char *name)
{
    AUTO_STR page = {0};
    AUTO_STR line = {0};
    limits_metrics(limits, "confreg", &page);
    str_addf(&line, "\n%s", name);
    const char *at = strstr(page.data, line.data);
    cr_assert_not_null(at, "%s is not in %s", name, page.data);
    return strtod(at + line.len, NULL);
}

Test(parties, a_party_has_its_share_and_no_more)
{
    struct party *a = party("a");
    struct party *b = party("b");
    cr_assert(party_take(a, LIMIT_CALLS, 10, &st));
    cr_assert_not(party_take(a, LIMIT_CALLS, 1, &st));
    cr_expect_eq(st.code, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_eq(st.outcome, OUTCOME_LIMIT_EXCEEDED);
    cr_expect_eq(st.retry_ms, 1000);
    cr_expect_str_eq(st.info[0].value, "calls");
    cr_expect_str_eq(st.info[1].value, "10");
    cr_expect(party_take(b, LIMIT_CALLS, 10, &st), "others have theirs");
    cr_expect(party_take(a, LIMIT_STREAMS, 1 << 20, &st), "0 is no limit");
    party_give(a, LIMIT_CALLS, 1);
    cr_expect(party_take(a, LIMIT_CALLS, 1, &st));
    cr_expect_eq(shown("confreg_limit_refusals_total{resource=\"calls\"} "), 1);
    cr_expect_eq(shown("confreg_limit_used{resource=\"calls\"} "), 20);
    cr_expect_eq(shown("confreg_limit_parties "), 2);
    party_release(a);
    party_release(b);
}

Test(parties, all_together_have_a_limit)
{
    struct party *a = party("a");
    struct party *b = party("b");
    cr_assert(party_take(a, LIMIT_BYTES, 1000, &st));
    cr_assert_not(party_take(b, LIMIT_BYTES, 501, &st));
    cr_expect_not_null(strstr(st.message, "all callers together"));
    cr_expect(party_take(b, LIMIT_BYTES, 500, &st), "what was refused is not counted");
    party_release(a);
    party_release(b);
}

Test(parties, a_party_is_the_same_for_all_who_hold_it)
{
    struct party *a = party("a");
    struct party *again = party("a");
    cr_assert(party_take(a, LIMIT_CALLS, 6, &st));
    cr_expect_not(party_take(again, LIMIT_CALLS, 5, &st));
    party_give(again, LIMIT_CALLS, 6);
    party_release(a);
    party_release(again);
}

Test(parties, a_rate_is_kept_while_nobody_holds_the_party)
{
    struct party *a = party("a");
    cr_assert(party_spend(a, LIMIT_WRITES, 1000000, &st));
    party_release(a);
    a = party("a");
    cr_assert_not(party_spend(a, LIMIT_WRITES, 1, &st));
    cr_expect_eq(st.outcome, OUTCOME_LIMIT_EXCEEDED);
    cr_expect(st.retry_ms > 900000 && st.retry_ms <= 1000000, "%ld", (long)st.retry_ms);
    cr_expect(party_spend(a, LIMIT_FAILURES, 1000000, &st), "0 is no limit");
    party_release(a);
}

Test(parties, failures_are_held_back_ever_longer)
{
    const struct limits_settings settings = {.most = {[LIMIT_HELD] = 2},
                                             .rates = {[LIMIT_FAILURES] = {1, 1}}};
    limits_free(limits);
    limits = limits_new(&settings);
    struct party *a = party("a");
    cr_expect_eq(party_fail(a, &st), 0);
    for (int64_t ns = HOLD_MIN_NS; ns < HOLD_MAX_NS; ns *= 2) {
        cr_expect_eq(party_fail(a, &st), ns);
        cr_expect_geq(st.retry_ms, ns / 1000000);
        party_give(a, LIMIT_HELD, 1);
    }
    cr_expect_eq(party_fail(a, &st), HOLD_MAX_NS);
    cr_expect_eq(party_fail(a, &st), HOLD_MAX_NS);
    cr_expect_eq(st.outcome, OUTCOME_LIMIT_EXCEEDED);
    cr_expect_eq(st.retry_ms, HOLD_MAX_NS / 1000000);
    cr_expect_eq(party_fail(a, &st), 0, "two are held");
    cr_expect_eq(shown("confreg_limit_used{resource=\"held\"} "), 2);
    cr_expect_eq(shown("confreg_limit_held_total "), 8);
    cr_expect_eq(shown("confreg_limit_refusals_total{resource=\"failures\"} "), 9);
    party_give(a, LIMIT_HELD, 2);
    party_release(a);
}

Test(parties, no_key_is_a_party_without_limits)
{
    struct party *none = limits_party(limits, "", 0);
    cr_expect_null(none);
    cr_expect(party_take(none, LIMIT_CALLS, 1 << 30, &st));
    cr_expect(party_spend(none, LIMIT_WRITES, 1 << 30, &st));
    cr_expect_eq(party_fail(none, &st), 0);
    party_give(none, LIMIT_CALLS, 1 << 30);
    party_release(none);
}

Test(parties, the_table_forgets_those_that_use_nothing)
{
    for (int i = 0; i < 3 * PARTIES_MAX; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        struct party *one = party(key);
        cr_assert(party_take(one, LIMIT_CALLS, 1, &st), "%d", i);
        party_give(one, LIMIT_CALLS, 1);
        party_release(one);
    }
    cr_expect(shown("confreg_limit_parties ") <= PARTIES_MAX);
}

Test(parties, beyond_the_table_they_share_one)
{
    size_t n = PARTIES_MAX * 2;
    struct party **held = mem_array(n, sizeof held[0]);
    for (size_t i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%zu", i);
        held[i] = party(key);
    }
    cr_expect_eq(shown("confreg_limit_parties "), PARTIES_MAX);
    struct party *others = party("another");
    cr_expect(others == party("yet another"));
    cr_expect(party_take(others, LIMIT_CALLS, 10, &st));
    cr_expect_not(party_take(others, LIMIT_CALLS, 1, &st));
    party_give(others, LIMIT_CALLS, 10);
    for (size_t i = 0; i < n; i++) {
        party_release(held[i]);
    }
    free(held);
}
