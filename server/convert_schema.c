#include "convert_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "schema_file.h"

#define EXIT_WRONG 1

static const char usage[] =
    "usage: confregd convert-schema [--body] FILE\n"
    "\n"
    "Makes a JSON Schema of a schema file of the service that confreg replaces, and prints it. "
    "What\n"
    "has no place in it, such as where a setting comes from, is told on standard error, a line "
    "each.\n"
    "A file that is a JSON Schema already is printed as it is.\n"
    "\n"
    "  --body  Print the body of PUT /api/schemas/SERVICE, which sets it.\n"
    "  --help  Print this.\n"
    "\n"
    "Exit code: 0: it was converted; 1: the file is no such schema, or the arguments are wrong.\n";

/* A conversion under way. */
struct conversion {
    const char *path;
    struct str out;
    bool failed;
};

/* "string" as it is called in JSON Schema; NULL: there is no such type. */
static const char *type_of(const char *old)
{
    static const char *const names[][2] = {{"string", "string"}, {"int", "integer"},
                                           {"bool", "boolean"},  {"float", "number"},
                                           {"object", "object"}, {"array", "array"}};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(old, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return NULL;
}

static void refuse(struct conversion *c, const char *where, const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", c->path, where, what);
    c->failed = true;
}

static void tell(const struct conversion *c, const char *where, struct json_text key,
                 struct json_text value)
{
    fprintf(stderr, "%s: %s: left out: %.*s: %.*s\n", c->path, where, (int)key.len, key.data,
            (int)(value.len < 200 ? value.len : 200), value.data);
}

static bool find_object(struct json_text object, const char *key, struct json_text *ret_value)
{
    return json_find(object, key, ret_value) && json_type_of(*ret_value) == JSON_OBJECT;
}

static void convert_fields(struct conversion *c, struct json_text fields, const char *where);

/* Appends the type, and the properties of an object. */
static void add_type(struct conversion *c, struct json_text field, const char *where)
{
    struct json_text token;
    struct json_text properties;
    AUTO_STR old = {0};
    const char *type = NULL;
    if (json_find(field, "type", &token) && json_type_of(token) == JSON_STRING) {
        json_decode_string(token, &old);
        type = type_of(str_text(&old));
    }
    if (type == NULL) {
        refuse(c, where, "its type is none of string, int, bool, float, object, array");
        return;
    }
    json_add_text(&c->out, "\"type\":", type);
    if (strcmp(type, "object") == 0 && find_object(field, "properties", &properties)) {
        str_add_char(&c->out, ',');
        convert_fields(c, properties, where);
    }
}

static bool is_kept(const char *key)
{
    static const char *const kept[] = {"default", "description", "title"};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if (strcmp(key, kept[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_done(const char *key)
{
    return strcmp(key, "type") == 0 || strcmp(key, "properties") == 0 ||
           strcmp(key, "required") == 0;
}

static void convert_field(struct conversion *c, struct json_text field, const char *where)
{
    struct json_text token;
    struct json_text value;
    size_t position = 0;
    if (json_type_of(field) != JSON_OBJECT) {
        refuse(c, where, "is no object");
        return;
    }
    str_add_char(&c->out, '{');
    add_type(c, field, where);
    while (json_member(field, &position, &token, &value)) {
        AUTO_STR key = {0};
        json_decode_string(token, &key);
        if (is_kept(str_text(&key))) {
            str_addf(&c->out, ",%.*s:", (int)token.len, token.data);
            str_add(&c->out, value.data, value.len);
        } else if (!is_done(str_text(&key))) {
            tell(c, where, token, value);
        }
    }
    str_add_char(&c->out, '}');
}

/* A field with a default need not be there. */
static bool is_required(struct json_text field)
{
    struct json_text required;
    struct json_text ignored;
    return json_type_of(field) == JSON_OBJECT && json_find(field, "required", &required) &&
           json_type_of(required) == JSON_TRUE && !json_find(field, "default", &ignored);
}

/* Appends "properties" and "required". where: of the fields' object; "": the top. */
static void convert_fields(struct conversion *c, struct json_text fields, const char *where)
{
    struct json_text token;
    struct json_text field;
    size_t position = 0;
    AUTO_STR required = {0};
    str_add_text(&c->out, "\"properties\":{");
    for (bool first = true; json_member(fields, &position, &token, &field); first = false) {
        AUTO_STR name = {0};
        str_add_text(&name, where);
        str_add_text(&name, where[0] == '\0' ? "" : ".");
        json_decode_string(token, &name);
        str_addf(&c->out, "%s%.*s:", first ? "" : ",", (int)token.len, token.data);
        convert_field(c, field, str_text(&name));
        if (is_required(field)) {
            str_addf(&required, "%s%.*s", required.len == 0 ? "" : ",", (int)token.len, token.data);
        }
    }
    str_add_char(&c->out, '}');
    if (required.len > 0) {
        str_addf(&c->out, ",\"required\":[%s]", str_text(&required));
    }
}

static void convert(struct conversion *c, struct json_text file)
{
    struct json_text fields;
    struct json_text token;
    struct json_text value;
    size_t position = 0;
    if (json_type_of(file) == JSON_OBJECT && !json_find(file, "fields", &fields) &&
        find_object(file, "properties", &value)) {
        str_add(&c->out, file.data, file.len);
        return;
    }
    if (json_type_of(file) != JSON_OBJECT || !find_object(file, "fields", &fields)) {
        refuse(c, "(root)", "has neither \"fields\" nor a JSON Schema's \"properties\"");
        return;
    }
    str_add_text(&c->out, "{\"type\":\"object\",");
    convert_fields(c, fields, "");
    while (json_member(file, &position, &token, &value)) {
        if (value.data != fields.data) {
            tell(c, "(root)", token, value);
        }
    }
    str_add_char(&c->out, '}');
}

/* The result has to be a schema that the registry takes. */
static bool is_sound(struct conversion *c)
{
    const struct json_limits limits = {.max_bytes = SCHEMA_BYTES, .max_depth = SCHEMA_LEVELS};
    const struct schema_options options = {.assert_formats = true};
    AUTO(schema_free) struct schema *schema = NULL;
    AUTO(buf_unref) struct buf *text = NULL;
    struct schema_report report = {0};
    struct status st;
    if (!json_check(str_text(&c->out), c->out.len, &limits, "the schema", &text, &st)) {
        refuse(c, "(root)", st.message);
    } else if (!schema_compile(text, &options, &schema, &report)) {
        refuse(c, report.violations[0].schema, report.violations[0].message);
    }
    schema_report_fini(&report);
    return !c->failed;
}

static int run(const char *path, bool as_body)
{
    AUTO(buf_unref) struct buf *file = read_schema(path);
    struct conversion c = {.path = path};
    if (file == NULL) {
        return EXIT_WRONG;
    }
    convert(&c, json_of_buf(file));
    bool ok = !c.failed && is_sound(&c);
    if (ok) {
        printf("%s%s%s\n", as_body ? "{\"schema\":" : "", str_text(&c.out), as_body ? "}" : "");
    }
    str_fini(&c.out);
    return ok ? EXIT_SUCCESS : EXIT_WRONG;
}

int convert_schema(int argc, char **argv)
{
    bool as_body = argc == 3 && strcmp(argv[1], "--body") == 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s", usage);
        return EXIT_SUCCESS;
    }
    const char *path = argc > 1 ? argv[argc - 1] : "--";
    if (argc != (as_body ? 3 : 2) || strncmp(path, "--", 2) == 0) {
        fprintf(stderr, "confregd convert-schema: one file is needed\n\n%s", usage);
        return EXIT_WRONG;
    }
    return run(path, as_body);
}
