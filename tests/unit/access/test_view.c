#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "view.h"

static const char *const prod[] = {"prod"};
static const char *const bill[] = {"bill*"};
static const char *const any[] = {"*"};
static const char *const odd[] = {"a*z"};
static const char *const end[] = {"*-eu"};

#define GRANT(given, environment, service)                                                         \
    {                                                                                              \
        .role = given, .environments = environment, .n_environments = environment != NULL,         \
        .services = service, .n_services = service != NULL                                         \
    }

Test(view, extent_of_one_grant)
{
    static const struct {
        struct grant grant;
        const char *environment, *service, *prefix;
        enum view_extent extent;
    } rows[] = {
        {GRANT(ROLE_READER, NULL, NULL), NULL, NULL, NULL, VIEW_ALL},
        {GRANT(ROLE_READER, any, any), NULL, NULL, NULL, VIEW_ALL},
        {GRANT(ROLE_AUDITOR, NULL, NULL), NULL, NULL, NULL, VIEW_NOTHING},
        {GRANT(ROLE_READER, prod, NULL), NULL, NULL, NULL, VIEW_PART},
        {GRANT(ROLE_READER, prod, NULL), "prod", NULL, NULL, VIEW_ALL},
        {GRANT(ROLE_READER, prod, NULL), "test", NULL, NULL, VIEW_NOTHING},
        {GRANT(ROLE_READER, prod, bill), "prod", NULL, NULL, VIEW_PART},
        {GRANT(ROLE_READER, prod, bill), "prod", "billing", NULL, VIEW_ALL},
        {GRANT(ROLE_READER, prod, bill), NULL, "billing", NULL, VIEW_PART},
        {GRANT(ROLE_READER, prod, bill), "prod", "web", NULL, VIEW_NOTHING},
        {GRANT(ROLE_READER, prod, bill), "prod", NULL, "bill", VIEW_ALL},
        {GRANT(ROLE_READER, prod, bill), "prod", NULL, "billing-", VIEW_ALL},
        {GRANT(ROLE_READER, prod, bill), "prod", NULL, "bil", VIEW_PART},
        {GRANT(ROLE_READER, prod, bill), "prod", NULL, "bin", VIEW_NOTHING},
        {GRANT(ROLE_READER, NULL, odd), NULL, NULL, "abc", VIEW_PART},
        {GRANT(ROLE_READER, NULL, odd), NULL, NULL, "b", VIEW_NOTHING},
        {GRANT(ROLE_READER, NULL, end), NULL, NULL, "web", VIEW_PART},
        {GRANT(ROLE_READER, NULL, end), NULL, "web-eu", "x", VIEW_ALL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct view view = view_of((struct grants){&rows[i].grant, 1}, PERMISSION_READ,
                                   rows[i].environment, rows[i].service, rows[i].prefix);
        cr_expect_eq(view.extent, rows[i].extent, "row %zu: %d", i, view.extent);
    }
}

Test(view, grants_add_up)
{
    const struct grant grants[] = {GRANT(ROLE_READER, prod, NULL), GRANT(ROLE_READER, NULL, bill)};
    const struct grants both = {grants, 2};
    cr_expect_eq(view_of(both, PERMISSION_READ, "prod", NULL, NULL).extent, VIEW_ALL);
    cr_expect_eq(view_of(both, PERMISSION_READ, NULL, NULL, "bill").extent, VIEW_ALL);
    struct view view = view_of(both, PERMISSION_READ, NULL, NULL, NULL);
    cr_expect_eq(view.extent, VIEW_PART);
    cr_expect(view_has(&view, "prod", "web"));
    cr_expect(view_has(&view, "test", "billing"));
    cr_expect(!view_has(&view, "test", "web"));
    cr_expect_eq(view_of(both, PERMISSION_WRITE, NULL, NULL, NULL).extent, VIEW_NOTHING);
}

Test(view, a_service_in_some_environment)
{
    const struct grant grant = GRANT(ROLE_READER, prod, bill);
    struct view view = view_of((struct grants){&grant, 1}, PERMISSION_READ, NULL, NULL, NULL);
    cr_expect(view_has_service(&view, "billing"));
    cr_expect(!view_has_service(&view, "web"));
    view = view_of((struct grants){&grant, 1}, PERMISSION_WRITE, NULL, NULL, NULL);
    cr_expect(!view_has_service(&view, "billing"));
}

/* Short texts over two letters and the star. */
static void make_text(unsigned number, const char *letters, char text[8])
{
    size_t n = 0;
    size_t n_letters = strlen(letters);
    for (; number > 0; number /= (unsigned)n_letters + 1) {
        unsigned digit = number % ((unsigned)n_letters + 1);
        if (digit > 0) {
            text[n++] = letters[digit - 1];
        }
    }
    text[n] = '\0';
}

/* All names of up to five letters stand for all names. Patterns of up to three are told apart by
 * them. */
Test(view, agrees_with_a_look_at_every_name)
{
    for (unsigned p = 1; p < 64; p++) {
        for (unsigned q = 0; q < 9; q++) {
            char pattern[8];
            char prefix[8];
            make_text(p, "ab*", pattern);
            make_text(q, "ab", prefix);
            const char *const patterns[] = {pattern};
            const struct grant grant = GRANT(ROLE_READER, patterns, NULL);
            const struct grant by_service = GRANT(ROLE_READER, NULL, patterns);
            size_t selected = 0;
            size_t matched = 0;
            for (unsigned name = 1; name < 243; name++) {
                char text[8];
                make_text(name, "ab", text);
                if (strncmp(text, prefix, strlen(prefix)) == 0) {
                    selected++;
                    matched += pattern_matches(pattern, text);
                    struct view exact =
                        view_of((struct grants){&grant, 1}, PERMISSION_READ, text, NULL, NULL);
                    cr_assert_eq(exact.extent,
                                 pattern_matches(pattern, text) ? VIEW_ALL : VIEW_NOTHING);
                }
            }
            enum view_extent wanted = matched == 0          ? VIEW_NOTHING
                                      : matched == selected ? VIEW_ALL
                                                            : VIEW_PART;
            struct view view =
                view_of((struct grants){&by_service, 1}, PERMISSION_READ, NULL, NULL, prefix);
            cr_expect_eq(view.extent, wanted, "%s of %s*: %d, not %d", pattern, prefix, view.extent,
                         wanted);
        }
    }
}

#define TWO(environment, service)                                                                  \
    {                                                                                              \
        .role = ROLE_READER, .environments = environment, .n_environments = 2,                     \
        .services = service, .n_services = 2                                                       \
    }

static bool eq_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

Test(view, bounds_are_what_its_configs_have_in_common)
{
    static const char *const prods[] = {"prod", "prod*"};
    static const char *const billing[] = {"billing*", "bill-old"};
    static const char *const mail[] = {"mail"};
    const struct {
        struct grant grants[2];
        size_t n;
        const char *environment, *service, *prefix;
    } cases[] = {
        {{GRANT(ROLE_READER, prod, mail)}, 1, "prod", "mail", "mail"},
        {{TWO(prods, billing)}, 1, NULL, NULL, "bill"},
        {{GRANT(ROLE_READER, NULL, mail)}, 1, NULL, "mail", "mail"},
        {{GRANT(ROLE_READER, prod, NULL)}, 1, "prod", NULL, ""},
        {{GRANT(ROLE_READER, prod, mail), GRANT(ROLE_READER, prod, billing)}, 2, "prod", NULL, ""},
        {{GRANT(ROLE_READER, prod, mail), GRANT(ROLE_READER, NULL, mail)}, 2, NULL, "mail", "mail"},
        {{GRANT(ROLE_READER, prod, mail), GRANT(ROLE_AUDITOR, NULL, NULL)},
         2,
         "prod",
         "mail",
         "mail"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct grants grants = {cases[i].grants, cases[i].n};
        struct view view = view_of(grants, PERMISSION_READ, NULL, NULL, NULL);
        struct view_bounds bounds;
        view_bounds(&view, &bounds);
        cr_expect(eq_text(bounds.environment, cases[i].environment), "%zu", i);
        cr_expect(eq_text(bounds.service, cases[i].service), "%zu", i);
        cr_expect_str_eq(bounds.service_prefix, cases[i].prefix, "%zu", i);
    }
}

Test(view, digests_tell_what_a_copy_was_made_of)
{
    static const char *const web[] = {"web"};
    const struct grant rows[] = {
        GRANT(ROLE_READER, NULL, NULL), GRANT(ROLE_READER, prod, NULL),
        GRANT(ROLE_READER, prod, bill), GRANT(ROLE_READER, prod, web),
        GRANT(ROLE_READER, NULL, prod), /* the same texts at another place */
    };
    const struct grant admin = GRANT(ROLE_ADMIN, prod, bill);
    const struct grant audited[] = {GRANT(ROLE_AUDITOR, NULL, NULL), rows[2]};
    const struct view same[] = {
        view_of((struct grants){&rows[2], 1}, PERMISSION_READ, NULL, NULL, NULL),
        view_of((struct grants){&admin, 1}, PERMISSION_READ, NULL, NULL, NULL),
        view_of((struct grants){audited, 2}, PERMISSION_READ, NULL, NULL, NULL),
        view_of((struct grants){&rows[2], 1}, PERMISSION_READ, "prod", "billing", NULL),
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct view a =
            view_of((struct grants){&rows[i], 1}, PERMISSION_READ, NULL, NULL, NULL);
        cr_expect_neq(view_digest(&a), 0);
        cr_expect(view_digests_fit(0, view_digest(&a)), "an unknown one fits");
        cr_expect(!view_digests_fit(VIEW_DIGEST_VOID, view_digest(&a)), "a void one does not");
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            const struct view b =
                view_of((struct grants){&rows[j], 1}, PERMISSION_READ, NULL, NULL, NULL);
            cr_expect_eq(view_digests_fit(view_digest(&a), view_digest(&b)), i == j, "%zu %zu", i,
                         j);
        }
    }
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        cr_expect(view_digests_fit(view_digest(&same[0]), view_digest(&same[i])), "%zu", i);
    }
}

Test(view, all_of_a_selection_is_all_by_whatever_grants)
{
    const struct grant everything = GRANT(ROLE_READER, NULL, NULL);
    const struct grant of_prod = GRANT(ROLE_READER, prod, NULL);
    const struct view a =
        view_of((struct grants){&everything, 1}, PERMISSION_READ, "prod", NULL, NULL);
    const struct view b =
        view_of((struct grants){&of_prod, 1}, PERMISSION_READ, "prod", NULL, NULL);
    cr_expect(view_digests_fit(view_digest(&a), view_digest(&b)));
}
