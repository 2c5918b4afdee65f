/* Lines about calls, and which calls have one. */
#include <criterion/criterion.h>
#include <string.h>

#include "call_line.h"
#include "call_logs.h"
#include "json.h"
#include "leak_check.h"
#include "mem.h"

TestSuite(call_line, .fini = leak_check);

/* Expects an object with these members behind its time. */
static void expect_members(const struct str *members, const char *expected)
{
    static const char time[] = "\"time\":\"2026-01-31T09:18:40.507038Z\"";
    AUTO_STR object = {0};
    AUTO(buf_unref) struct buf *checked = NULL;
    struct status st;
    str_addf(&object, "{%s}", members->data);
    cr_expect(json_check(object.data, object.len,
                         &(struct json_limits){.max_bytes = 8192, .max_depth = 8}, "line", &checked,
                         &st),
              "%s", st.message);
    cr_expect_str_eq(members->data + sizeof time - 1, expected);
}

Test(call_line, a_refused_call)
{
    AUTO_STR out = {0};
    struct call_names names = {0};
    call_names_add(&names, "prod", "billing");
    call_names_add(&names, "", "a\"b\n");
    const struct call_line line = {
        .principal = "ada",
        .credential = "token:0123456789ab",
        .peer = "ipv4:127.0.0.1:1",
        .service = "confreg.v1.RegistryService",
        .method = "UpdateConfig",
        .code = STATUS_PERMISSION_DENIED,
        .reason = "NOT_ALLOWED",
        .request_id = "r-1",
        .names = &names,
    };
    call_line_add(&out, "refused", &line);
    expect_members(
        &out, ",\"what\":\"refused\",\"principal\":\"ada\",\"credential\":\"token:0123456789ab\","
              "\"peer\":\"ipv4:127.0.0.1:1\",\"service\":\"confreg.v1.RegistryService\","
              "\"method\":\"UpdateConfig\",\"configs\":[\"prod/billing\",\"/a\\\"b\\n\"],"
              "\"code\":\"PERMISSION_DENIED\",\"reason\":\"NOT_ALLOWED\",\"request_id\":\"r-1\"");
    call_names_fini(&names);
}

Test(call_line, an_access_over_http)
{
    AUTO_STR out = {0};
    const struct call_line line = {.method = "GET",
                                   .path = "/api/configs/billing",
                                   .status = 200,
                                   .reason = "",
                                   .duration_ns = 1234567,
                                   .request_bytes = 1,
                                   .response_bytes = 2};
    call_line_add_access(&out, &line);
    expect_members(&out, ",\"method\":\"GET\",\"path\":\"/api/configs/billing\",\"status\":200,"
                         "\"duration_us\":1234,\"request_bytes\":1,\"response_bytes\":2");
}

/* Texts of clients do not make lines longer than the bounds. */
Test(call_line, long_texts_are_cut)
{
    AUTO_STR out = {0};
    AUTO_STR text = {0};
    struct call_names names = {0};
    memset(str_extend(&text, 1 << 20), '"', 1 << 20);
    for (int i = 0; i < 100; i++) {
        call_names_add(&names, text.data, text.data);
    }
    call_line_add(&out, "refused",
                  &(struct call_line){.request_id = text.data, .peer = text.data, .names = &names});
    cr_expect_lt(out.len, 8192);
    cr_expect_not_null(strstr(out.data, "\"more_configs\":97"));
    call_names_fini(&names);
}

Test(call_line, what_counts_as_refused)
{
    static const enum status_code refused[] = {STATUS_INVALID_ARGUMENT,  STATUS_ALREADY_EXISTS,
                                               STATUS_PERMISSION_DENIED, STATUS_FAILED_PRECONDITION,
                                               STATUS_ABORTED,           STATUS_OUT_OF_RANGE,
                                               STATUS_UNAUTHENTICATED,   STATUS_RESOURCE_EXHAUSTED};
    static const unsigned refused_http[] = {400, 401, 403, 409, 410, 412, 413, 422, 428, 429};
    size_t n = 0;
    size_t n_http = 0;
    for (int code = 0; code < STATUS_CODES; code++) {
        n += call_outcome_of_code((enum status_code)code) == CALL_REFUSED;
    }
    for (unsigned status = 0; status < 600; status++) {
        n_http += call_outcome_of_status(status) == CALL_REFUSED;
    }
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        cr_expect_eq(call_outcome_of_code(refused[i]), CALL_REFUSED);
    }
    for (size_t i = 0; i < COUNT_OF(refused_http); i++) {
        cr_expect_eq(call_outcome_of_status(refused_http[i]), CALL_REFUSED);
    }
    cr_expect_eq(n, COUNT_OF(refused));
    cr_expect_eq(n_http, COUNT_OF(refused_http));
    cr_expect_eq(call_outcome_of_code(STATUS_OK), CALL_SUCCEEDED);
    cr_expect_eq(call_outcome_of_code(STATUS_UNAVAILABLE), CALL_FAILED);
    cr_expect_eq(call_outcome_of_status(304), CALL_SUCCEEDED);
    cr_expect_eq(call_outcome_of_status(0), CALL_FAILED);
}
