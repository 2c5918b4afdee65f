#include "pointers.h"

#include <stdio.h>
#include <string.h>

struct settings_comparison {
    const struct settings *before, *after;
    struct pointers *found;
    struct str path; /* to the settings that are compared */
};

static void list_fini(struct pointer_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->texts[i]);
    }
    free(list->texts);
    *list = (struct pointer_list){0};
}

void pointers_fini(struct pointers *pointers)
{
    list_fini(&pointers->added);
    list_fini(&pointers->removed);
    list_fini(&pointers->changed);
}

static void add(struct pointer_list *list, const char *pointer)
{
    if (list->n == list->room) {
        list->room = list->room == 0 ? 4 : list->room * 2;
        list->texts = mem_grow(list->texts, list->room, sizeof list->texts[0]);
    }
    list->texts[list->n++] = mem_string(pointer);
}

static bool is_full(const struct pointers *found)
{
    return found->added.n + found->removed.n + found->changed.n > POINTERS_MOST;
}

/* Puts a child's name behind the path. Returns the length to cut it to afterwards. */
static size_t go_into(struct str *path, const struct setting *child)
{
    size_t len = path->len;
    str_add_char(path, '/');
    if (child->name == NULL) {
        str_addf(path, "%u", child->index);
        return len;
    }
    for (size_t i = 0; i < child->n_name; i++) {
        switch (child->name[i]) {
        case '~':
            str_add_text(path, "~0");
            break;
        case '/':
            str_add_text(path, "~1");
            break;
        default:
            str_add_char(path, child->name[i]);
        }
    }
    return len;
}

/* The child of the other parent that has the same place; NULL: there is none. */
static const struct setting *counterpart(const struct settings *others,
                                         const struct setting *parent, const struct setting *child)
{
    if (child->name != NULL) {
        return settings_child(others, parent, child->name, child->n_name);
    }
    char digits[16];
    snprintf(digits, sizeof digits, "%u", child->index);
    return settings_child(others, parent, digits, strlen(digits));
}

static void list_missing(struct settings_comparison *c, struct pointer_list *list,
                         const struct settings *from, const struct setting *parent,
                         const struct settings *others, const struct setting *other_parent)
{
    for (const struct setting *child = settings_first(from, parent);
         child != NULL && !is_full(c->found); child = settings_next(from, child)) {
        if (others == NULL || counterpart(others, other_parent, child) == NULL) {
            size_t len = go_into(&c->path, child);
            add(list, str_text(&c->path));
            str_truncate(&c->path, len);
        }
    }
}

static bool same_text(struct json_text a, struct json_text b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void compare(struct settings_comparison *c, const struct setting *before,
                    const struct setting *after)
{
    bool has_children = before->type == JSON_OBJECT || before->type == JSON_ARRAY;
    if (same_text(before->text, after->text) || is_full(c->found)) {
        return;
    }
    if (before->type != after->type || !has_children) {
        if (!json_text_equal(before->text, after->text)) {
            add(&c->found->changed, str_text(&c->path));
        }
        return;
    }
    list_missing(c, &c->found->removed, c->before, before, c->after, after);
    for (const struct setting *child = settings_first(c->after, after); child != NULL;
         child = settings_next(c->after, child)) {
        const struct setting *old = counterpart(c->before, before, child);
        if (old != NULL) {
            size_t len = go_into(&c->path, child);
            compare(c, old, child);
            str_truncate(&c->path, len);
        }
    }
    list_missing(c, &c->found->added, c->after, after, c->before, before);
}

void pointers_between(const struct settings *before, const struct settings *after,
                      struct pointers *ret_pointers)
{
    struct settings_comparison c = {before, after, ret_pointers, {0}};
    *ret_pointers = (struct pointers){0};
    if (before != NULL && after != NULL) {
        compare(&c, settings_whole(before), settings_whole(after));
    } else if (after != NULL) {
        list_missing(&c, &ret_pointers->added, after, settings_whole(after), NULL, NULL);
    } else if (before != NULL) {
        list_missing(&c, &ret_pointers->removed, before, settings_whole(before), NULL, NULL);
    }
    if (is_full(ret_pointers)) {
        pointers_fini(ret_pointers);
        add(&ret_pointers->changed, "");
    }
    str_fini(&c.path);
}
