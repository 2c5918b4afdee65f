/* A status as a message: what is written is read. */
#include <criterion/criterion.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "rpc_client.h"
#include "status_details.h"

static struct status read_again(const struct status *st)
{
    AUTO(buf_unref) struct buf *bytes = status_details_encode(st, "rpc.test");
    Google__Rpc__Status *message = google__rpc__status__unpack(NULL, bytes->len, bytes->data);
    cr_assert_not_null(message);
    struct status again;
    rpc_status_of(message, &again);
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
        rpc_status_of(&message, &st);
        cr_assert_eq(st.code, STATUS_UNKNOWN);
    }
}
