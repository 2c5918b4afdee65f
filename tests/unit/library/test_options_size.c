#include <criterion/criterion.h>
#include <string.h>

#include "options_size.h"

struct options {
    size_t size;
    int a, b;
};

static const struct options defaults = {sizeof(struct options), 1, 2};

Test(options_size, none_are_the_defaults)
{
    struct options own = defaults;
    cr_expect(options_read(NULL, &own, sizeof own, NULL));
    cr_expect(own.a == 1 && own.b == 2);
}

Test(options_size, an_older_program_keeps_the_default_of_what_it_does_not_know)
{
    struct options own = defaults;
    const struct options given = {offsetof(struct options, b), 5, 6};
    cr_expect(options_read(&given, &own, sizeof own, NULL));
    cr_expect(own.a == 5 && own.b == 2);
}

Test(options_size, a_newer_program_may_only_leave_out_what_is_not_known)
{
    struct {
        struct options known;
        int more[2];
    } given = {{sizeof given, 5, 6}, {0, 0}};
    struct options own = defaults;
    struct confreg_error error;
    cr_expect(options_read(&given, &own, sizeof own, &error));
    cr_expect(own.a == 5 && own.b == 6);
    given.more[1] = 1;
    cr_expect(!options_read(&given, &own, sizeof own, &error));
    cr_expect_eq(error.code, CONFREG_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "OPTIONS_SIZE");
}

Test(options_size, a_size_that_was_not_set_is_noticed)
{
    struct options own = defaults;
    struct confreg_error error;
    const struct options given = {0, 5, 6};
    cr_expect(!options_read(&given, &own, sizeof own, &error));
    const struct options wild = {SIZE_MAX, 5, 6};
    cr_expect(!options_read(&wild, &own, sizeof own, &error));
    cr_expect_str_eq(error.reason, "OPTIONS_SIZE");
}
