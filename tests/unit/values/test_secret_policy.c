#include <criterion/criterion.h>

#include "leak_check.h"
#include "secret_policy.h"

static void expect(const char *text, const char *environment, enum secret_mode mode)
{
    AUTO(secret_policy_free) struct secret_policy *policy = NULL;
    struct status st;
    cr_assert(secret_policy_parse(text, &policy, &st), "%s: %s", text, st.message);
    cr_expect_eq(secret_policy_mode(policy, environment), mode, "%s: %s", text, environment);
}

Test(secret_policy, the_first_pattern_that_fits_counts)
{
    expect("refuse", "prod", SECRETS_REFUSE);
    expect("refuse,dev*=warn", "dev", SECRETS_WARN);
    expect("refuse,dev*=warn", "dev-2", SECRETS_WARN);
    expect("refuse,dev*=warn", "prod", SECRETS_REFUSE);
    expect("dev-1=off,dev*=warn,refuse", "dev-1", SECRETS_OFF);
    expect("dev*=warn,dev-1=off,refuse", "dev-1", SECRETS_WARN);
    leak_check();
}

Test(secret_policy, others_are_warned_of)
{
    expect("prod=refuse", "dev", SECRETS_WARN);
    cr_expect_eq(secret_policy_mode(NULL, "dev"), SECRETS_WARN);
    leak_check();
}

Test(secret_policy, what_is_no_policy_is_refused)
{
    static const char *const texts[] = {"",      "maybe",    "prod=", "=warn",
                                        "warn,", "warn,off", "WARN",  "prod=warn=off"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct secret_policy *policy = NULL;
        struct status st;
        cr_expect_not(secret_policy_parse(texts[i], &policy, &st), "%s", texts[i]);
        cr_expect_null(policy);
    }
    leak_check();
}
