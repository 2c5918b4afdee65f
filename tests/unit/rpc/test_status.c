/* A status as a message: what is written is read. */
#include <criterion/criterion.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "leak_check.h"
#include "rpc_client.h"
#include "status_details.h"

static struct status read_again(const struct status *st)
{
    AUTO(buf_unref) struct buf *bytes = status_details_encode(st, "rpc.test");
    Google__Rpc__Status *message = google__rpc__status__unpack(NULL, bytes->len, bytes->data);
    cr_assert_not_null(message);
    struct status again;
    struct violations violations = {0};
    rpc_status_of(message, &again, &violations);
    violations_fini(&violations);
    again.n_violations = 0;
    google__rpc__status__free_unpacked(message, NULL);
    return again;
}

Test(status, comes_back_with_reason_field_and_info)
{
    struct status st;
    status_bad_field(&st, "changes[2].version", "VERSION_MISSING", "a version is needed");
    status_add_number(&st, "change", 2);
    struct status again = read_again(&st);
    cr_assert_eq(again.code, STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(again.message, "a version is needed");
    cr_assert_str_eq(again.reason, "VERSION_MISSING");
    cr_assert_str_eq(again.field, "changes[2].version");
    cr_assert_eq(again.n_info, 1);
    cr_assert_str_eq(again.info[0].key, "change");
    cr_assert_str_eq(again.info[0].value, "2");
}

Test(status, comes_back_without_details)
{
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "", "not now");
    cr_assert_not(status_has_details(&st));
    struct status again = read_again(&st);
    cr_assert_eq(again.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(again.message, "not now");
    cr_assert_str_eq(again.reason, "");
    cr_assert_str_eq(again.field, "");
    cr_assert_eq(again.n_info, 0);
}

Test(status, a_code_that_is_no_failure_is_unknown)
{
    static const int32_t codes[] = {0, -1, 17, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
        struct status st;
        message.code = codes[i];
        struct violations none = {0};
        rpc_status_of(&message, &st, &none);
        cr_assert_eq(st.code, STATUS_UNKNOWN);
    }
}

/* Makes a status with n violations, whose texts have `size` bytes each, and reads it again. */
static void check_violations(size_t n, size_t size, size_t expected)
{
    struct violations made = {0};
    struct violations found = {0};
    struct status st, again;
    AUTO(free) char *text = mem_zalloc(size + 1);
    memset(text, 'x', size);
    status_bad_field(&st, "config_data", "SCHEMA_VIOLATED", "several things are wrong");
    for (size_t i = 0; i < n; i++) {
        violations_add(&made, i % 2 == 0 ? "config_data/a" : "config_data/b", "SCHEMA_VIOLATED",
                       text);
    }
    violations_lend(&made, &st);
    AUTO(buf_unref) struct buf *bytes = status_details_encode(&st, "rpc.test");
    cr_assert_lt(bytes->len, 8192 * 3 / 4, "clients accept headers of 8 KiB, in base 64");
    Google__Rpc__Status *message = google__rpc__status__unpack(NULL, bytes->len, bytes->data);
    cr_assert_not_null(message);
    rpc_status_of(message, &again, &found);
    google__rpc__status__free_unpacked(message, NULL);
    cr_assert_str_eq(again.reason, "SCHEMA_VIOLATED");
    cr_assert_str_eq(again.field, "config_data/a");
    cr_assert_eq(again.n_violations, expected);
    for (size_t i = 0; i < expected; i++) {
        cr_assert_str_eq(again.violations[i].field, i % 2 == 0 ? "config_data/a" : "config_data/b");
        cr_assert_str_eq(again.violations[i].message, text);
    }
    violations_fini(&made);
    violations_fini(&found);
}

Test(status, has_as_many_violations_as_fit_into_headers)
{
    check_violations(1, 10, 1);
    check_violations(2, 10, 2);
    check_violations(64, 20, 64);
    check_violations(64, 300, 12);
    check_violations(2, 4200, 1);
    leak_check();
}

Test(status, comes_back_with_the_time_to_wait)
{
    struct status st;
    status_set_outcome(&st, OUTCOME_OVERLOADED, "too much");
    cr_assert_eq(read_again(&st).retry_ms, st.retry_ms);
    status_set_outcome(&st, OUTCOME_LIMIT_EXCEEDED, "too much");
    cr_assert_eq(read_again(&st).retry_ms, 0);
    st.retry_ms = 61234;
    cr_assert_eq(read_again(&st).retry_ms, 61234);
    st.retry_ms = INT64_C(1) << 40; /* beyond a day it is not believed */
    cr_assert_eq(read_again(&st).retry_ms, 0);
}
