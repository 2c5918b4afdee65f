#include "check_schema.h"

#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "schema_file.h"

#define EXIT_WRONG 1   /* the schema, a file, or the arguments */
#define EXIT_INVALID 2 /* a value */

/* The largest --max-payload of confregd, and its limit of nesting. */
#define VALUE_BYTES (8u << 20)
#define VALUE_LEVELS 64

static const struct json_limits value_limits = {.max_bytes = VALUE_BYTES,
                                                .max_depth = VALUE_LEVELS};

static const char usage[] =
    "usage: confregd check-schema [--ref URI=FILE]… SCHEMA.json VALUE.json…\n"
    "\n"
    "Checks JSON values against a JSON Schema (draft 2020-12, or draft 7 by its $schema) as the\n"
    "registry does, without a server. Formats are asserted. Every violation is a line on standard\n"
    "output: the file, a JSON Pointer into the value, what is wrong, and a JSON Pointer into the\n"
    "schema.\n"
    "\n"
    "  --ref URI=FILE  A schema that $ref can name as URI, for example confreg:/payments=p.json.\n"
    "                  Can be repeated. Nothing is fetched from anywhere.\n"
    "  --help          Print this.\n"
    "\n"
    "Exit code: 0: all values are valid; 2: one is not; 1: the schema is wrong, a file cannot be\n"
    "read, or the arguments are wrong.\n";

/* `--ref URI=FILE` by its URI: the schema, or NULL. */
struct refs {
    char **arguments; /* "URI=FILE" */
    int n;
    bool failed; /* a file could not be read */
};

static struct buf *resolve(void *user, struct json_text uri)
{
    struct refs *refs = user;
    for (int i = 0; i < refs->n; i++) {
        const char *argument = refs->arguments[i];
        const char *equals = strrchr(argument, '=');
        if ((size_t)(equals - argument) == uri.len && memcmp(argument, uri.data, uri.len) == 0) {
            struct buf *schema = read_schema(equals + 1);
            refs->failed = refs->failed || schema == NULL;
            return schema;
        }
    }
    return NULL;
}

static void print_report(FILE *out, const char *path, const struct schema_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct schema_violation *v = &report->violations[i];
        fprintf(out, "%s: %s: %s (schema: %s)\n", path, *v->value == '\0' ? "(root)" : v->value,
                v->message, *v->schema == '\0' ? "(root)" : v->schema);
    }
    if (report->more) {
        fprintf(out, "%s: there may be more than these %d\n", path, SCHEMA_VIOLATIONS);
    }
}

static void print_faults(const char *path, const struct schema_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct schema_violation *v = &report->violations[i];
        fprintf(stderr, "%s: %s: %s\n", path, *v->schema == '\0' ? "(root)" : v->schema,
                v->message);
    }
    if (report->more) {
        fprintf(stderr, "%s: there may be more than these %d\n", path, SCHEMA_VIOLATIONS);
    }
}

/* Returns the exit code that this value calls for. */
static int check_value(const struct schema *schema, const char *path)
{
    AUTO_STR text = {0};
    AUTO(buf_unref) struct buf *value = NULL;
    struct schema_report report = {0};
    struct status st;
    if (!read_file(path, &text)) {
        return EXIT_WRONG;
    }
    if (!json_check_value(str_text(&text), text.len, &value_limits, "the value", NULL, &value,
                          &st)) {
        printf("%s: (root): %s\n", path, st.message);
        return EXIT_INVALID;
    }
    bool valid = schema_validate(schema, json_of_buf(value), &report);
    print_report(stdout, path, &report);
    schema_report_fini(&report);
    return valid ? EXIT_SUCCESS : EXIT_INVALID;
}

static struct schema *compile(const char *path, struct refs *refs)
{
    AUTO(buf_unref) struct buf *text = read_schema(path);
    struct schema *schema = NULL;
    struct schema_report report = {0};
    const struct schema_options options = {
        .assert_formats = true, .resolve = resolve, .user = refs};
    if (text == NULL) {
        return NULL;
    }
    if (!schema_compile(text, &options, &schema, &report)) {
        print_faults(path, &report);
    }
    schema_report_fini(&report);
    return schema;
}

/* All values are checked, whatever is wrong with one; the worst decides. */
static int check_all(char **paths, int n, struct refs *refs)
{
    AUTO(schema_free) struct schema *schema = compile(paths[0], refs);
    int code = EXIT_SUCCESS;
    if (schema == NULL || refs->failed) {
        return EXIT_WRONG;
    }
    for (int i = 1; i < n; i++) {
        int one = check_value(schema, paths[i]);
        code = code == EXIT_WRONG || one == EXIT_SUCCESS ? code : one;
    }
    return code;
}

static int refuse_usage(const char *what, const char *argument)
{
    fprintf(stderr, "confregd check-schema: %s%s\n\n%s", what, argument, usage);
    return EXIT_WRONG;
}

int check_schema(int argc, char **argv)
{
    struct refs refs = {.arguments = mem_array((size_t)argc, sizeof(char *))};
    AUTO(free) char **owned = refs.arguments;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            printf("%s", usage);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[at], "--ref") != 0) {
            return refuse_usage("there is no option ", argv[at]);
        }
        at++;
        if (at == argc || strchr(argv[at], '=') == NULL) {
            return refuse_usage("--ref needs URI=FILE", "");
        }
        refs.arguments[refs.n++] = argv[at];
    }
    if (argc - at < 2) {
        return refuse_usage("a schema and a value are needed", "");
    }
    return check_all(argv + at, argc - at, &refs);
}
