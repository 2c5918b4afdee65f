/* The search for secrets. A pointer that leads to a string must not have the string in it: what is
 * found is told by its place only. */
#include "fuzz.h"
#include "json_pointer.h"
#include "secrets.h"

/* Secrets that were found in a member are not told by its pointer. */
static void check_pointer(struct json_text object, const struct secret_finding *finding)
{
    struct status st;
    struct json_text value;
    MUST(strlen(finding->pointer) <= SECRETS_POINTER_BYTES + strlen("/..."));
    if (strlen(finding->pointer) >= SECRETS_POINTER_BYTES ||
        strlen(finding->pointer) != strnlen(finding->pointer, object.len)) {
        return;
    }
    MUST(json_pointer_check(finding->pointer, "pointer", &st));
    if (finding->in_key || !json_pointer_find(object, finding->pointer, &value) ||
        json_type_of(value) != JSON_STRING) {
        return;
    }
    AUTO_STR secret = {0};
    AUTO_STR token = {0};
    json_decode_string(value, &secret);
    for (const char *at = finding->pointer; *at == '/';) {
        str_clear(&token);
        at = json_pointer_token(at + 1, &token);
        MUST(memmem(str_text(&token), token.len, secret.data, secret.len) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = 64};
    AUTO(buf_unref) struct buf *object = NULL;
    struct status st;
    if (!json_check((const char *)data, size, &limits, "f", &object, &st)) {
        return 0;
    }
    struct secret_report report = {0};
    MUST(secrets_find(json_of_buf(object), &report) == (report.n == 0));
    MUST(report.n <= SECRETS_FINDINGS);
    for (size_t i = 0; i < report.n; i++) {
        check_pointer(json_of_buf(object), &report.findings[i]);
    }
    secret_report_fini(&report);
    return 0;
}
