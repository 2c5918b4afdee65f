#include "mirror_selection.h"

#include <assert.h>
#include <string.h>

static char *text_or_empty(const char *text)
{
    bool is_empty = text == NULL || text[0] == '\0';
    return is_empty ? (char *)(uintptr_t)protobuf_c_empty_string : mem_string(text);
}

void mirror_selection_init(struct mirror_selection *selection,
                           const struct mirror_selector *selectors, size_t n, uint64_t number)
{
    *selection = (struct mirror_selection){
        .selectors = mem_array(n + 1, sizeof selection->selectors[0]),
        .list = mem_array(n + 1, sizeof selection->list[0]),
        .n = n,
        .number = number,
    };
    for (size_t i = 0; i < n; i++) {
        Confreg__V1__Selector *selector = &selection->selectors[i];
        confreg__v1__selector__init(selector);
        selector->environment = text_or_empty(selectors[i].environment);
        selector->service_name = text_or_empty(selectors[i].service_name);
        selector->service_name_prefix = text_or_empty(selectors[i].service_name_prefix);
        selection->list[i] = selector;
    }
}

static void free_text(char *text)
{
    if (text != protobuf_c_empty_string) {
        free(text);
    }
}

void mirror_selection_fini(struct mirror_selection *selection)
{
    for (size_t i = 0; i < selection->n; i++) {
        free_text(selection->selectors[i].environment);
        free_text(selection->selectors[i].service_name);
        free_text(selection->selectors[i].service_name_prefix);
    }
    free(selection->selectors);
    free(selection->list);
    *selection = (struct mirror_selection){.n = 0};
}

static bool fits(const char *wanted, const char *text)
{
    return wanted[0] == '\0' || strcmp(wanted, text) == 0;
}

bool mirror_selection_matches(const struct mirror_selection *selection, const char *environment,
                              const char *service_name)
{
    bool matches = selection->n == 0;
    for (size_t i = 0; i < selection->n && !matches; i++) {
        const Confreg__V1__Selector *s = &selection->selectors[i];
        matches =
            fits(s->environment, environment) && fits(s->service_name, service_name) &&
            strncmp(s->service_name_prefix, service_name, strlen(s->service_name_prefix)) == 0;
    }
    return matches;
}

static bool has(const struct mirror_selection *selection, const Confreg__V1__Selector *selector)
{
    bool found = selection->n == 0;
    for (size_t i = 0; i < selection->n && !found; i++) {
        const Confreg__V1__Selector *s = &selection->selectors[i];
        found = strcmp(s->environment, selector->environment) == 0 &&
                strcmp(s->service_name, selector->service_name) == 0 &&
                strcmp(s->service_name_prefix, selector->service_name_prefix) == 0;
    }
    return found;
}

bool mirror_selection_is_in(const struct mirror_selection *selection,
                            const struct mirror_selection *held)
{
    bool all = selection->n > 0 || held->n == 0;
    for (size_t i = 0; i < selection->n && all; i++) {
        all = has(held, &selection->selectors[i]);
    }
    return all;
}

void mirror_selection_without(const struct mirror_selection *selection,
                              const struct mirror_selection *held,
                              struct mirror_selection *ret_rest)
{
    assert(selection->n > 0 && "all configs cannot be divided");
    AUTO(free)
    struct mirror_selector *rest = mem_array(selection->n, sizeof rest[0]);
    size_t n = 0;
    for (size_t i = 0; i < selection->n; i++) {
        const Confreg__V1__Selector *s = &selection->selectors[i];
        if (held == NULL || !has(held, s)) {
            rest[n++] =
                (struct mirror_selector){s->environment, s->service_name, s->service_name_prefix};
        }
    }
    mirror_selection_init(ret_rest, rest, n, selection->number);
}

void mirror_selection_copy(struct mirror_selection *selection, const struct mirror_selection *from)
{
    if (from->n > 0) {
        mirror_selection_without(from, NULL, selection);
    } else {
        *selection = (struct mirror_selection){.number = from->number};
    }
}
