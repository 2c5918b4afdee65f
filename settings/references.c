#include "references.h"

#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "utf8.h"

static const char env_start[] = "${env:", file_start[] = "${file:";

static bool have(const struct settings *settings, const char *text)
{
    for (uint32_t i = 0; i < settings->n; i++) {
        const struct setting *found = &settings->settings[i];
        if (found->string != NULL &&
            memmem(found->string, found->n_string, text, strlen(text)) != NULL) {
            return true;
        }
    }
    return false;
}

bool references_may_be_in(const struct settings *settings)
{
    return have(settings, "${");
}

static bool starts_with(const char *text, size_t n, const char *start)
{
    return n >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

/* The size of the reference at the start of a text, and its name. 0: there is none. */
static size_t reference_at(const char *text, size_t n, const char *start,
                           struct json_text *ret_name)
{
    if (!starts_with(text, n, start)) {
        return 0;
    }
    const char *name = text + strlen(start);
    const char *end = memchr(name, '}', n - strlen(start));
    if (end == NULL || end == name) {
        return 0;
    }
    *ret_name = (struct json_text){name, (size_t)(end - name)};
    return (size_t)(end - text) + 1;
}

static bool add_variable(const struct references *references, struct json_text name,
                         struct str *out, struct status *st)
{
    const struct settings *variables = references->variables;
    const struct setting *found =
        settings_child(variables, settings_whole(variables), name.data, name.len);
    if (found == NULL) {
        return status_set(st, STATUS_NOT_FOUND, "REFERENCE_MISSING",
                          "the variable %.*s, which it refers to, is not set", (int)name.len,
                          name.data);
    }
    str_add(out, found->string, found->n_string);
    return true;
}

static bool add_file(struct json_text name, struct str *out, struct status *st)
{
    AUTO(free) char *path = mem_text(name.data, name.len);
    AUTO(buf_unref) struct buf *content = NULL;
    if (strlen(path) != name.len) {
        return status_set(st, STATUS_NOT_FOUND, "REFERENCE_MISSING",
                          "the name of a file, which it refers to, has a NUL");
    }
    struct stat found;
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) { /* a pipe would be waited for */
        return status_set(st, STATUS_NOT_FOUND, "REFERENCE_MISSING",
                          "%s, which it refers to, is no regular file", path);
    }
    if (!file_read(path, REFERENCES_FILE_MAX_BYTES, &content, NULL, st)) {
        return status_context(st, "the file %s, which it refers to", path);
    }
    const char *text = (const char *)content->data;
    size_t n = content->len;
    while (n > 0 && strchr(" \t\n\v\f\r", text[n - 1]) != NULL && text[n - 1] != '\0') {
        n--;
    }
    if (utf8_check(text, n) != n) {
        return status_set(st, STATUS_NOT_FOUND, "REFERENCE_MISSING",
                          "the file %s, which it refers to, is not UTF-8", path);
    }
    str_add(out, text, n);
    return true;
}

static bool add_string(const struct references *references, const struct setting *string,
                       struct str *out, struct status *st)
{
    AUTO_SECRET replaced = {0};
    size_t at = 0;
    while (at < string->n_string) {
        const char *text = string->string + at;
        size_t n = string->n_string - at;
        struct json_text name;
        size_t n_env = reference_at(text, n, env_start, &name);
        size_t n_file = n_env != 0 ? 0 : reference_at(text, n, file_start, &name);
        if ((n_env != 0 && !add_variable(references, name, &replaced, st)) ||
            (n_file != 0 && !add_file(name, &replaced, st))) {
            return false;
        }
        if (n_env + n_file == 0) {
            str_add_char(&replaced, *text);
        }
        at += n_env + n_file == 0 ? 1 : n_env + n_file;
    }
    json_encode_string(out, str_text(&replaced), replaced.len);
    return true;
}

static bool add_value(const struct references *references, const struct settings *settings,
                      const struct setting *value, struct str *out, struct status *st);

static void add_name(const struct setting *member, struct str *out)
{
    if (member->name != NULL) {
        json_encode_string(out, member->name, member->n_name);
        str_add_char(out, ':');
    }
}

static bool add_children(const struct references *references, const struct settings *settings,
                         const struct setting *parent, struct str *out, struct status *st)
{
    for (const struct setting *child = settings_first(settings, parent); child != NULL;
         child = settings_next(settings, child)) {
        str_add_text(out, child->index == 0 ? "" : ",");
        add_name(child, out);
        if (!add_value(references, settings, child, out, st)) {
            return false;
        }
    }
    return true;
}

/* Recurses as deep as the config is nested: JSON_DEPTH_MAX. */
static bool add_value(const struct references *references, const struct settings *settings,
                      const struct setting *value, struct str *out, struct status *st)
{
    switch (value->type) {
    case JSON_STRING:
        return add_string(references, value, out, st);
    case JSON_OBJECT:
    case JSON_ARRAY:
        str_add_char(out, value->type == JSON_OBJECT ? '{' : '[');
        if (!add_children(references, settings, value, out, st)) {
            return false;
        }
        str_add_char(out, value->type == JSON_OBJECT ? '}' : ']');
        return true;
    default:
        str_add(out, value->text.data, value->text.len);
        return true;
    }
}

bool references_replace(const struct references *references, const struct settings *settings,
                        struct str *out)
{
    size_t start = out->len + 1;
    str_add_char(out, '{');
    for (const struct setting *key = settings_first(settings, settings_whole(settings));
         key != NULL; key = settings_next(settings, key)) {
        struct status st;
        size_t before = out->len;
        str_add_text(out, before == start ? "" : ",");
        add_name(key, out);
        if (!add_value(references, settings, key, out, &st)) {
            str_truncate(out, before);
            status_context(&st, "%s is left out", key->name);
            references->left_out(references->user, key, &st);
        }
    }
    str_add_char(out, '}');
    return have(settings, file_start);
}
