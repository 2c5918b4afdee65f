#include "selection.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "leak_check.h"
#include "random.h"

#define MANY 128

Test(selection, none_selects_everything)
{
    struct selection selection;
    selection_init(&selection, NULL, 0);
    cr_expect_eq(selection.n, 1);
    cr_expect(selection_has(&selection, "prod", "billing"));
    selection_fini(&selection);
    leak_check();
}

Test(selection, exact_ones_are_found_beside_the_others)
{
    const struct head_filter filters[] = {
        {"prod", "search", NULL, KEY_CONFIG},  {NULL, NULL, "bill", KEY_CONFIG},
        {"prod", "alpha", NULL, KEY_CONFIG},   {"dev", "search", NULL, KEY_CONFIG},
        {"test", NULL, NULL, KEY_CONFIG},      {NULL, "mail", NULL, KEY_CONFIG},
        {"prod", "alpha", "beta", KEY_CONFIG}, {"prod", "zoo", NULL, KEY_CONFIG},
    };
    struct selection selection;
    selection_init(&selection, filters, COUNT_OF(filters));
    cr_expect_eq(selection.n_exact, 4, "a prefix beside a service is none of them");
    cr_expect(selection_has(&selection, "prod", "search"));
    cr_expect(selection_has(&selection, "dev", "search"));
    cr_expect(selection_has(&selection, "prod", "alpha"));
    cr_expect(selection_has(&selection, "prod", "zoo"));
    cr_expect(selection_has(&selection, "any", "billing"));
    cr_expect(selection_has(&selection, "test", "search"));
    cr_expect(selection_has(&selection, "any", "mail"));
    cr_expect(!selection_has(&selection, "stage", "search"));
    cr_expect(!selection_has(&selection, "prod", "alph"));
    cr_expect(!selection_has_before(&selection, 7, "prod", "zoo"));
    cr_expect(selection_has_before(&selection, 8, "prod", "zoo"));
    selection_fini(&selection);
    leak_check();
}

/* Every number of filters, repeated ones among them, says what a look at all of them says. */
Test(selection, any_number_says_what_a_look_at_all_says)
{
    char names[MANY][16];
    struct head_filter filters[MANY];
    struct random r = {.state = 7};
    for (size_t n = 1; n <= MANY; n++) {
        for (size_t i = 0; i < n; i++) {
            snprintf(names[i], sizeof names[i], "s%u", (unsigned)random_below(&r, 2 * MANY));
            filters[i] =
                (struct head_filter){i % 3 == 0 ? "dev" : "prod", names[i], NULL, KEY_CONFIG};
        }
        struct selection selection;
        selection_init(&selection, filters, n);
        for (unsigned k = 0; k < 2 * MANY; k++) {
            char name[16];
            snprintf(name, sizeof name, "s%u", k);
            cr_assert_eq(selection_has(&selection, "prod", name),
                         selection_has_before(&selection, n, "prod", name));
        }
        selection_fini(&selection);
    }
    leak_check();
}
