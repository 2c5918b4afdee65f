#include "selection.h"

#include <assert.h>
#include <string.h>

static const char *copy_or_null(const char *text)
{
    return text == NULL ? NULL : mem_string(text);
}

static bool is_exact(const struct head_filter *filter)
{
    return filter->environment != NULL && filter->service != NULL && filter->service_prefix == NULL;
}

/* By service first, as streams mostly stay in one environment. */
static int compare(const char *environment, const char *service, const struct head_filter *filter)
{
    int order = strcmp(service, filter->service);
    return order != 0 ? order : strcmp(environment, filter->environment);
}

static int by_name(const void *a, const void *b)
{
    const struct head_filter *const *x = a;
    const struct head_filter *const *y = b;
    return compare((*x)->environment, (*x)->service, *y);
}

static void add_to_index(struct selection *selection, bool exact, size_t *n)
{
    for (size_t i = 0; i < selection->n; i++) {
        if (is_exact(&selection->filters[i]) == exact) {
            selection->index[(*n)++] = &selection->filters[i];
        }
    }
}

void selection_init(struct selection *selection, const struct head_filter *filters, size_t n)
{
    selection->n = n == 0 ? 1 : n;
    selection->filters = mem_array(selection->n, sizeof selection->filters[0]);
    for (size_t i = 0; i < n; i++) {
        selection->filters[i] = (struct head_filter){
            .kind = filters[i].kind,
            .environment = copy_or_null(filters[i].environment),
            .service = copy_or_null(filters[i].service),
            .service_prefix = copy_or_null(filters[i].service_prefix),
        };
    }
    size_t n_index = 0;
    selection->index = mem_array(selection->n, sizeof(struct head_filter *));
    add_to_index(selection, true, &n_index);
    selection->n_exact = n_index;
    add_to_index(selection, false, &n_index);
    assert(n_index == selection->n && "each filter is in the index once");
    qsort(selection->index, selection->n_exact, sizeof(struct head_filter *), by_name);
}

void selection_fini(struct selection *selection)
{
    for (size_t i = 0; i < selection->n; i++) {
        free((char *)(uintptr_t)selection->filters[i].environment);
        free((char *)(uintptr_t)selection->filters[i].service);
        free((char *)(uintptr_t)selection->filters[i].service_prefix);
    }
    free(selection->filters);
    free(selection->index);
    *selection = (struct selection){0};
}

static bool has_exact(const struct selection *selection, const char *environment,
                      const char *service)
{
    size_t low = 0;
    size_t high = selection->n_exact;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(environment, service, selection->index[middle]);
        if (order == 0) {
            return true;
        }
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return false;
}

bool selection_has(const struct selection *selection, const char *environment, const char *service)
{
    if (has_exact(selection, environment, service)) {
        return true;
    }
    for (size_t i = selection->n_exact; i < selection->n; i++) {
        if (head_filter_matches(selection->index[i], environment, service)) {
            return true;
        }
    }
    return false;
}

bool selection_has_before(const struct selection *selection, size_t n, const char *environment,
                          const char *service)
{
    for (size_t i = 0; i < n; i++) {
        if (head_filter_matches(&selection->filters[i], environment, service)) {
            return true;
        }
    }
    return false;
}
