#include <criterion/criterion.h>
#include <string.h>

#include "error.h"
#include "violations.h"

Test(error, has_what_the_status_has)
{
    struct status st;
    status_bad_field(&st, "comment", "TEXT_TOO_LONG", "it is too long");
    st.retry_ms = 7;
    struct confreg_error error;
    memset(&error, 'x', sizeof error);
    cr_expect(!error_of(&error, &st));
    cr_expect_eq(error.code, CONFREG_INVALID_ARGUMENT);
    cr_expect_eq(error.reserved, 0);
    cr_expect_eq(error.retry_ms, 7);
    cr_expect_str_eq(error.reason, "TEXT_TOO_LONG");
    cr_expect_str_eq(error.field, "comment");
    cr_expect_str_eq(error.message, "it is too long");
    cr_expect(!error_of(NULL, &st), "nobody wants to know");
}

Test(error, the_field_is_that_of_the_first_violation)
{
    struct violations violations = {0};
    violations_add(&violations, "config_data/a", "SCHEMA", "is wrong");
    struct status st;
    status_set(&st, STATUS_INVALID_ARGUMENT, "SCHEMA_VIOLATION", "it breaks the schema");
    violations_lend(&violations, &st);
    struct confreg_error error;
    error_of(&error, &st);
    cr_expect_str_eq(error.field, "config_data/a");
    violations_fini(&violations);
}

Test(error, is_cut_between_characters)
{
    struct status st;
    char text[500];
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "ä", 2);
    }
    status_set(&st, STATUS_INTERNAL, "", "%s", text);
    struct confreg_error error;
    error_of(&error, &st);
    size_t n = strlen(error.message);
    cr_expect_eq(n, (sizeof error.message - 1) / 2 * 2);
    cr_expect_eq(memcmp(error.message, text, n), 0);
}

Test(error, codes_have_names)
{
    cr_expect_str_eq(confreg_code_name(CONFREG_NOT_FOUND), "NOT_FOUND");
    cr_expect_str_eq(confreg_code_name(-1), "UNKNOWN");
    cr_expect_str_eq(confreg_code_name(17), "UNKNOWN");
}
