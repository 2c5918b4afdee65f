/* Validates what comes on standard input: one JSON object a line,
 * {"schema": S, "formats": BOOL, "values": [V, …]}, answered by one line each: {"faults": […]} for
 * a schema that is wrong, else {"valid": [[…], …]} with the violations of each value, empty where
 * it is valid. The argument is a file with a JSON object of schemas by URI, to which S may refer.
 */
#include <stdio.h>
#include <string.h>

#include "schema.h"

#define LEVELS JSON_DEPTH_MAX

static const struct json_limits limits = {.max_bytes = 64u << 20, .max_depth = LEVELS};

static struct buf *check(const char *text, size_t n)
{
    struct buf *checked = NULL;
    struct status st;
    if (!json_check_value(text, n, &limits, "line", NULL, &checked, &st)) {
        fprintf(stderr, "schema_lines: %s\n", st.message);
        exit(2);
    }
    return checked;
}

static struct buf *read_remotes(const char *path)
{
    AUTO_STR text = {0};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    for (int c; (c = getc(file)) != EOF;) {
        str_add_char(&text, (char)c);
    }
    fclose(file);
    return check(text.data, text.len);
}

static struct buf *resolve(void *user, struct json_text uri)
{
    AUTO(free) char *name = mem_text(uri.data, uri.len);
    struct json_text found;
    return json_find(json_of_buf(user), name, &found) ? buf_copy(found.data, found.len) : NULL;
}

static void add_member(struct str *out, const char *name, const char *text)
{
    str_addf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
    json_encode_string(out, text, strlen(text));
}

static void add_report(struct str *out, const struct schema_report *report)
{
    str_add_char(out, '[');
    for (size_t i = 0; i < report->n; i++) {
        const struct schema_violation *v = &report->violations[i];
        str_add_text(out, i == 0 ? "{" : ",{");
        add_member(out, "value", v->value);
        add_member(out, "schema", v->schema);
        add_member(out, "keyword", v->keyword);
        add_member(out, "message", v->message);
        str_add_char(out, '}');
    }
    str_add_char(out, ']');
}

static void validate_all(const struct schema *schema, struct json_text values, struct str *out)
{
    struct json_text value;
    str_add_text(out, "{\"valid\":[");
    for (size_t position = 0; json_item(values, &position, &value);) {
        struct schema_report report = {0};
        bool ok = schema_validate(schema, value, &report);
        if (ok != (report.n == 0)) {
            fprintf(stderr, "schema_lines: the answer and the report differ\n");
            exit(2);
        }
        str_add_text(out, out->data[out->len - 1] == '[' ? "" : ",");
        add_report(out, &report);
        schema_report_fini(&report);
    }
    str_add_text(out, "]}");
}

static void answer(struct json_text line, struct buf *remotes)
{
    AUTO_STR out = {0};
    AUTO(schema_free) struct schema *schema = NULL;
    struct schema_report report = {0};
    struct json_text text;
    struct json_text formats;
    struct json_text values;
    if (!json_find(line, "schema", &text) || !json_find(line, "formats", &formats) ||
        !json_find(line, "values", &values)) {
        fprintf(stderr, "schema_lines: a member is missing\n");
        exit(2);
    }
    struct schema_options options = {
        .assert_formats = json_type_of(formats) == JSON_TRUE, .resolve = resolve, .user = remotes};
    AUTO(buf_unref) struct buf *copy = buf_copy(text.data, text.len);
    if (schema_compile(copy, &options, &schema, &report)) {
        validate_all(schema, values, &out);
    } else {
        str_add_text(&out, "{\"faults\":");
        add_report(&out, &report);
        str_add_char(&out, '}');
    }
    schema_report_fini(&report);
    puts(out.data);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t room = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: schema_lines REMOTES.json\n");
        return 2;
    }
    AUTO(buf_unref) struct buf *remotes = read_remotes(argv[1]);
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        AUTO(buf_unref) struct buf *checked = check(line, (size_t)n);
        answer(json_of_buf(checked), remotes);
        fflush(stdout);
    }
    free(line);
    return 0;
}
