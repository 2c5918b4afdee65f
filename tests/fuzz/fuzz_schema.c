/* JSON Schema: two lines, a schema and a value; the schema may also refer to the value as another
 * schema, "v". */
#include "fuzz.h"
#include "schema.h"

static struct buf *check(const char *text, size_t n)
{
    static const struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = SCHEMA_LEVELS};
    struct buf *checked = NULL;
    struct status st;
    json_check_value(text, n, &limits, "f", NULL, &checked, &st);
    return checked;
}

static struct buf *resolve(void *user, struct json_text uri)
{
    return uri.len == 1 && uri.data[0] == 'v' ? buf_ref(user) : NULL;
}

static void check_report(const struct schema_report *report, bool ok)
{
    MUST(ok == (report->n == 0) && report->n <= SCHEMA_VIOLATIONS);
    for (size_t i = 0; i < report->n; i++) {
        MUST(report->violations[i].message[0] != '\0');
    }
}

/* The same answer twice, within the steps that are allowed. */
static void validate(const struct schema *schema, const struct buf *value)
{
    struct schema_report first = {0};
    struct schema_report second = {0};
    bool ok = schema_validate(schema, json_of_buf(value), &first);
    check_report(&first, ok);
    MUST(first.steps <= SCHEMA_STEPS + value->len * SCHEMA_STEPS_PER_BYTE);
    MUST(schema_validate(schema, json_of_buf(value), &second) == ok);
    MUST(first.n == second.n && first.steps == second.steps);
    schema_report_fini(&first);
    schema_report_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t n_text;
    size_t n_value;
    AUTO(free) char *text_line = take_line(&in, &n_text);
    AUTO(free) char *value_line = take_line(&in, &n_value);
    AUTO(buf_unref) struct buf *text = check(text_line, n_text);
    AUTO(buf_unref) struct buf *value = check(value_line, n_value);
    if (text == NULL || value == NULL) {
        return 0;
    }
    AUTO(schema_free) struct schema *schema = NULL;
    struct schema_report report = {0};
    const struct schema_options options = {
        .assert_formats = true, .resolve = resolve, .user = value};
    bool ok = schema_compile(text, &options, &schema, &report);
    check_report(&report, ok);
    schema_report_fini(&report);
    if (ok) {
        validate(schema, value);
    }
    return 0;
}
