#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "interest.h"
#include "leak_check.h"
#include "random.h"

#define MANY 300

static void count(struct interest *interest, void *user)
{
    (void)user;
    ++*(int *)interest->owner;
}

static void add(struct interests *interests, struct interest *interest, int *visits,
                const char *environment, const char *service, const char *prefix)
{
    struct head_filter filter = {environment, service, prefix, KEY_CONFIG};
    interest->owner = visits;
    interests_add(interests, interest, &filter);
}

Test(interest, a_change_finds_those_that_select_it)
{
    struct interests all = {0};
    struct interest one[7];
    int visits[7] = {0};
    add(&all, &one[0], &visits[0], NULL, NULL, NULL);
    add(&all, &one[1], &visits[1], "prod", NULL, NULL);
    add(&all, &one[2], &visits[2], NULL, "billing", NULL);
    add(&all, &one[3], &visits[3], "prod", "billing", NULL);
    add(&all, &one[4], &visits[4], NULL, NULL, "bill");
    add(&all, &one[5], &visits[5], "prod", NULL, "billing");
    add(&all, &one[6], &visits[6], "dev", "billing", NULL);
    interests_visit(&all, "prod", "billing", count, NULL);
    const int expected[7] = {1, 1, 1, 1, 1, 1, 0};
    cr_assert_arr_eq(visits, expected, sizeof expected);
    interests_visit(&all, "dev", "bil", count, NULL);
    interests_visit(&all, "dev", "billing-2", count, NULL);
    const int after[7] = {3, 1, 1, 1, 2, 1, 0};
    cr_assert_arr_eq(visits, after, sizeof after);
    for (int i = 0; i < 7; i++) {
        interests_remove(&all, &one[i]);
    }
    cr_assert_eq(all.groups.n, 0);
    interests_fini(&all);
    leak_check();
}

Test(interest, names_are_not_mixed_up_with_their_neighbours)
{
    struct interests all = {0};
    struct interest one[3];
    int visits[3] = {0};
    add(&all, &one[0], &visits[0], "ab", "c", NULL);
    add(&all, &one[1], &visits[1], "a", "bc", NULL);
    add(&all, &one[2], &visits[2], "c", NULL, NULL);
    interests_visit(&all, "a", "bc", count, NULL);
    const int expected[3] = {0, 1, 0};
    cr_assert_arr_eq(visits, expected, sizeof expected);
    for (int i = 0; i < 3; i++) {
        interests_remove(&all, &one[i]);
    }
    interests_fini(&all);
    leak_check();
}

Test(interest, streams_with_the_same_selector_share_a_group)
{
    struct interests all = {0};
    static struct interest one[MANY];
    static int visits[MANY];
    for (int i = 0; i < MANY; i++) {
        add(&all, &one[i], &visits[i], "prod", "billing", NULL);
    }
    cr_assert_eq(all.groups.n, 1);
    cr_assert_eq(interests_beside(&one[0]), MANY);
    for (int i = 0; i < MANY; i += 2) {
        interests_remove(&all, &one[i]);
    }
    cr_assert_eq(interests_beside(&one[1]), MANY / 2);
    interests_visit(&all, "prod", "billing", count, NULL);
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(visits[i], i % 2);
    }
    for (int i = 1; i < MANY; i += 2) {
        interests_remove(&all, &one[i]);
    }
    interests_fini(&all);
    leak_check();
}

/* ---- Any selectors, compared with the filter itself ---- */

static const char *const names[] = {"a", "ab", "abc", "b", "ba", "abcd"};
static const char *const schema_environments[] = {"\x01",
                                                  "\x01"
                                                  "a",
                                                  "\x01"
                                                  "ab",
                                                  "\x01"
                                                  "abc",
                                                  "\x01"
                                                  "b",
                                                  "\x01"
                                                  "ba"};

static const char *any_name(struct random *r)
{
    size_t i = random_below(r, COUNT_OF(names) + 2);
    return i < COUNT_OF(names) ? names[i] : NULL;
}

/* Of a key: a schema's if it has the mark. */
static const char *any_environment(struct random *r)
{
    size_t i = random_below(r, 2 * COUNT_OF(names));
    return i < COUNT_OF(names) ? names[i] : schema_environments[i - COUNT_OF(names)];
}

static struct head_filter any_filter(struct random *r)
{
    struct head_filter filter = {any_name(r), any_name(r), any_name(r),
                                 random_below(r, 2) == 0 ? KEY_CONFIG : KEY_SCHEMA};
    if (filter.kind == KEY_SCHEMA && filter.environment != NULL) {
        filter.environment = schema_environments[random_below(r, COUNT_OF(schema_environments))];
    }
    return filter;
}

static void check_visits(const struct interests *all, const struct head_filter *filters,
                         const bool *added, int *visits, struct random *r)
{
    const char *environment = any_environment(r);
    const char *service = names[random_below(r, COUNT_OF(names))];
    memset(visits, 0, MANY * sizeof visits[0]);
    interests_visit(all, environment, service, count, NULL);
    for (int i = 0; i < MANY; i++) {
        bool wanted = added[i] && head_filter_matches(&filters[i], environment, service);
        bool broad = filters[i].service != NULL && filters[i].service_prefix != NULL;
        cr_assert_leq(visits[i], 1);
        cr_assert(visits[i] == wanted || (broad && !wanted), "%s/%s", environment, service);
    }
}

Test(interest, agrees_with_the_filters_whatever_comes_and_goes)
{
    struct random r = {.state = random_seed()};
    struct interests all = {0};
    static struct interest one[MANY];
    static struct head_filter filters[MANY];
    static bool added[MANY];
    static int visits[MANY];
    for (int step = 0; step < 5000; step++) {
        size_t i = random_below(&r, MANY);
        if (added[i]) {
            interests_remove(&all, &one[i]);
        } else {
            filters[i] = any_filter(&r);
            one[i].owner = &visits[i];
            interests_add(&all, &one[i], &filters[i]);
        }
        added[i] = !added[i];
        check_visits(&all, filters, added, visits, &r);
    }
    for (int i = 0; i < MANY; i++) {
        if (added[i]) {
            interests_remove(&all, &one[i]);
        }
    }
    cr_assert_eq(all.groups.n, 0);
    interests_fini(&all);
    leak_check();
}
