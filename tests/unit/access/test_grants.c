#include <criterion/criterion.h>
#include <string.h>

#include "clock.h"
#include "grants.h"
#include "mem.h"

Test(grants, patterns_match_whole_names)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"billing", "billing", true},
        {"billing", "billing2", false},
        {"billing", "billin", false},
        {"billing", "Billing", false},
        {"*", "anything", true},
        {"**", "anything", true},
        {"billing*", "billing", true},
        {"billing*", "billing-eu", true},
        {"billing*", "bill", false},
        {"*-eu", "billing-eu", true},
        {"*-eu", "billing-eu-1", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "abc", true},
        {"a*b*c", "aXbY", false},
        {"a*b*c", "aXbYcZ", false},
        {"*ab", "aab", true},
        {"*a*b", "xaxxb", true},
        {"grü*", "grüße", true},
        {"?", "a", false},
        {"[a]", "a", false},
        {"\\*", "*", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_expect_eq(pattern_matches(rows[i].pattern, rows[i].name), rows[i].matches, "%s %s",
                     rows[i].pattern, rows[i].name);
    }
}

/* The names that take a backtracking matcher exponential time. */
Test(grants, no_pattern_takes_long)
{
    char pattern[256];
    char name[256];
    memset(name, 'a', 255);
    name[255] = '\0';
    for (size_t i = 0; i < 254; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    memcpy(pattern + 254, "b", 2);
    for (int i = 0; i < 1000; i++) {
        cr_assert(!pattern_matches(pattern, name));
    }
}

static const char *const prod[] = {"prod"};
static const char *const billing[] = {"billing*", "tax"};
static const char *const every[] = {"x", "**"};

static const struct grant some[] = {
    {.role = ROLE_READER,
     .environments = prod,
     .n_environments = 1,
     .services = billing,
     .n_services = 2},
    {.role = ROLE_ADMIN, .services = billing, .n_services = 1},
    {.role = ROLE_AUDITOR, .services = every, .n_services = 2},
};
static const struct grants all = {some, COUNT_OF(some)};

Test(grants, add_up)
{
    cr_expect(grants_may(all, PERMISSION_READ, "prod", "tax"));
    cr_expect(!grants_may(all, PERMISSION_READ, "test", "tax"));
    cr_expect(grants_may(all, PERMISSION_READ, "test", "billing"));
    cr_expect(grants_may(all, PERMISSION_WRITE, "prod", "billing"));
    cr_expect(!grants_may(all, PERMISSION_WRITE, "prod", "tax"));
    cr_expect(!grants_may(all, PERMISSION_DELETE, "prod", "billing"));
    cr_expect(grants_may(all, PERMISSION_AUDIT, "any", "config"));
    cr_expect_eq(grants_which(all, PERMISSION_READ, "test", "billing"), 1);
    cr_expect_eq(grants_which(all, PERMISSION_DELETE, "test", "billing"), all.n);
}

Test(grants, tell_where_they_hold)
{
    cr_expect(grants_may_somewhere(all, PERMISSION_READ));
    cr_expect(!grants_may_everywhere(all, PERMISSION_READ));
    cr_expect(grants_may_everywhere(all, PERMISSION_AUDIT));
    cr_expect(!grants_may_somewhere(all, PERMISSION_DELETE));
    cr_expect(!grants_may_everywhere(all, PERMISSION_DELETE));
    const struct grants none = {NULL, 0};
    for (int p = 0; p < PERMISSIONS; p++) {
        cr_expect(!grants_may(none, (enum permission)p, "a", "b"));
        cr_expect(!grants_may_somewhere(none, (enum permission)p));
    }
}

Test(grants, patterns_are_names_with_stars)
{
    struct status st;
    cr_expect(pattern_check("a*", 2, "f", &st));
    cr_expect(!pattern_check("", 0, "f", &st));
    cr_expect(!pattern_check("a/b", 3, "f", &st));
}
