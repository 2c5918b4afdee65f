/* The selectors of one stream.
 *
 * Clients open one stream with a selector for each config that they use. Selectors that name a
 * config exactly are therefore sorted and found by binary search: with a hundred of them a change
 * costs seven comparisons. Other selectors (an environment, a service, a prefix) are compared one
 * by one. Immutable after selection_init: any thread may read. */
#ifndef WATCH_SELECTION_H
#define WATCH_SELECTION_H

#include "registry.h"

struct selection {
    struct head_filter *filters; /* owned, with their texts, in the order given; at least one */
    size_t n;
    const struct head_filter **index; /* owned: the n_exact exact ones, sorted; then the others */
    size_t n_exact;
};

/* Copies the validated filters. n 0: one filter that selects everything. */
void selection_init(struct selection *selection, const struct head_filter *filters, size_t n);
void selection_fini(struct selection *selection);
/* Whether a filter selects the config. */
bool selection_has(const struct selection *selection, const char *environment, const char *service);
/* Whether one of the first n filters selects the config. */
bool selection_has_before(const struct selection *selection, size_t n, const char *environment,
                          const char *service);

#endif
