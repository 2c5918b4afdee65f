#include "target.h"

#include <string.h>

#include "mem.h"
#include "percent.h"

/* The path of "http://host/path"; raw where it is no absolute form. */
static const char *skip_authority(const char *raw)
{
    const char *mark = strstr(raw, "://");
    if (raw[0] == '/' || mark == NULL) {
        return raw;
    }
    const char *path = strpbrk(mark + 3, "/?#");
    return path == NULL ? "/" : path;
}

static void add_segment(struct target *target, const char *text, size_t n)
{
    if (target->n_segments == TARGET_SEGMENTS) {
        target->sound = false;
        return;
    }
    struct str *segment = &target->segments[target->n_segments++];
    percent_decode(text, n, false, segment);
    if (segment->len > 0 && memchr(segment->data, '/', segment->len) != NULL) {
        target->slashes |= 1u << (target->n_segments - 1);
    }
}

static void split_path(struct target *target)
{
    const char *at = target->text;
    const char *end = at + target->n_path;
    target->sound = at < end && *at == '/';
    while (end - at > 1 && end[-1] == '/') {
        target->slash_at_end = true;
        end--;
    }
    while (target->sound && at < end) {
        const char *from = at + 1;
        const char *slash = memchr(from, '/', (size_t)(end - from));
        at = slash == NULL ? end : slash;
        add_segment(target, from, (size_t)(at - from));
    }
}

void target_parse(const char *raw, struct target *ret_target)
{
    const char *text = skip_authority(raw);
    *ret_target = (struct target){.text = mem_text(text, strcspn(text, "#"))};
    ret_target->n_path = strcspn(ret_target->text, "?");
    ret_target->query = ret_target->text + ret_target->n_path;
    ret_target->query += *ret_target->query == '?';
    ret_target->n_query = strlen(ret_target->query);
    split_path(ret_target);
}

void target_fini(struct target *target)
{
    for (size_t i = 0; i < target->n_segments; i++) {
        str_fini(&target->segments[i]);
    }
    free(target->text);
    *target = (struct target){0};
}

static void add_quoted(struct str *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7F || strchr("\"<>\\^`{|}", text[i]) != NULL) {
            percent_encode(text + i, 1, out);
        } else {
            str_add_char(out, text[i]);
        }
    }
}

void target_without_slash(const struct target *target, struct str *out)
{
    size_t n = target->n_path;
    while (n > 1 && target->text[n - 1] == '/') {
        n--;
    }
    add_quoted(out, target->text, n);
    add_quoted(out, target->text + target->n_path, strlen(target->text + target->n_path));
}

static bool is_page(const struct query_parameter *parameter)
{
    AUTO_STR name = {0};
    percent_decode(parameter->name, parameter->n_name, true, &name);
    return strcmp(str_text(&name), "page") == 0;
}

void target_of_page(const struct target *target, const char *page, struct str *out)
{
    struct query_parameter parameter;
    const char *mark = "?";
    add_quoted(out, target->text, target->n_path);
    for (size_t at = 0; query_next(target->query, target->n_query, &at, &parameter);) {
        if (!is_page(&parameter)) {
            str_add_text(out, mark);
            add_quoted(out, parameter.name, parameter.n_name);
            str_add_char(out, '=');
            add_quoted(out, parameter.value, parameter.n_value);
            mark = "&";
        }
    }
    str_addf(out, "%spage=", mark);
    percent_encode(page, strlen(page), out);
}
