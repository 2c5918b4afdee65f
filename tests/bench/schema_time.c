/* Validation by itself: `bench_schema SCHEMA.json VALUE.json SECONDS` prints
 *     {"ns": nanoseconds of processor time a validation, "compile_us": …, "steps": …, "valid":
 * true} */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schema.h"

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct buf *read_json(const char *path)
{
    static const struct json_limits limits = {.max_bytes = 64u << 20, .max_depth = SCHEMA_LEVELS};
    AUTO_STR text = {0};
    struct buf *json = NULL;
    struct status st;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    for (int c; (c = getc(file)) != EOF;) {
        str_add_char(&text, (char)c);
    }
    fclose(file);
    if (!json_check_value(str_text(&text), text.len, &limits, path, NULL, &json, &st)) {
        fprintf(stderr, "%s\n", st.message);
        exit(2);
    }
    return json;
}

static struct schema *compile(struct buf *text, double *ret_seconds)
{
    const struct schema_options options = {.assert_formats = true};
    struct schema *schema = NULL;
    struct schema_report report = {0};
    double start = processor_seconds();
    if (!schema_compile(text, &options, &schema, &report)) {
        fprintf(stderr, "the schema is wrong: %s\n", report.violations[0].message);
        schema_report_fini(&report);
        exit(2);
    }
    *ret_seconds = processor_seconds() - start;
    return schema;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_schema SCHEMA.json VALUE.json SECONDS\n");
        return 2;
    }
    AUTO(buf_unref) struct buf *text = read_json(argv[1]);
    AUTO(buf_unref) struct buf *value = read_json(argv[2]);
    double compile_seconds;
    AUTO(schema_free) struct schema *schema = compile(text, &compile_seconds);
    double seconds = atof(argv[3]);
    double start = processor_seconds();
    double passed = 0;
    uint64_t n = 0;
    struct schema_report report = {0};
    bool valid = true;
    do {
        for (int i = 0; i < 100; i++, n++) {
            schema_report_fini(&report);
            valid = schema_validate(schema, json_of_buf(value), &report);
        }
        passed = processor_seconds() - start;
    } while (passed < seconds);
    printf("{\"ns\": %.0f, \"compile_us\": %.1f, \"steps\": %llu, \"valid\": %s}\n",
           passed * 1e9 / (double)n, compile_seconds * 1e6, (unsigned long long)report.steps,
           valid ? "true" : "false");
    schema_report_fini(&report);
    return 0;
}
