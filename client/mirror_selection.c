#include "mirror_selection.h"

#include <assert.h>
#include <string.h>

static size_t size_of_text(const char *text)
{
    return text == NULL || text[0] == '\0' ? 0 : strlen(text) + 1;
}

/* Copies a text to *at and advances it. */
static char *lay_out(char **at, const char *text)
{
    size_t size = size_of_text(text);
    char *copy = size == 0 ? (char *)(uintptr_t)protobuf_c_empty_string : *at;
    if (size > 0) {
        memcpy(copy, text, size);
    }
    *at += size;
    return copy;
}

static size_t size_of(const struct mirror_selector *selectors, size_t n)
{
    size_t size = n * (sizeof(Confreg__V1__Selector *) + sizeof(Confreg__V1__Selector));
    for (size_t i = 0; i < n; i++) {
        size += size_of_text(selectors[i].environment) + size_of_text(selectors[i].service_name) +
                size_of_text(selectors[i].service_name_prefix);
    }
    return size;
}

void mirror_selection_init(struct mirror_selection *selection,
                           const struct mirror_selector *selectors, size_t n, uint64_t number)
{
    struct buf *block = buf_new(size_of(selectors, n));
    Confreg__V1__Selector **list = (void *)block->data;
    Confreg__V1__Selector *made = (void *)(list + n);
    char *at = (char *)(made + n);
    for (size_t i = 0; i < n; i++) {
        confreg__v1__selector__init(&made[i]);
        made[i].environment = lay_out(&at, selectors[i].environment);
        made[i].service_name = lay_out(&at, selectors[i].service_name);
        made[i].service_name_prefix = lay_out(&at, selectors[i].service_name_prefix);
        list[i] = &made[i];
    }
    *selection = (struct mirror_selection){.block = block, .list = list, .n = n, .number = number};
}

void mirror_selection_fini(struct mirror_selection *selection)
{
    buf_unref(selection->block);
    *selection = (struct mirror_selection){.n = 0};
}

void mirror_selection_copy(struct mirror_selection *selection, const struct mirror_selection *from)
{
    *selection = *from;
    buf_ref(selection->block);
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
        const Confreg__V1__Selector *s = selection->list[i];
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
        const Confreg__V1__Selector *s = selection->list[i];
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
        all = has(held, selection->list[i]);
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
        const Confreg__V1__Selector *s = selection->list[i];
        if (!has(held, s)) {
            rest[n++] =
                (struct mirror_selector){s->environment, s->service_name, s->service_name_prefix};
        }
    }
    mirror_selection_init(ret_rest, rest, n, selection->number);
}
