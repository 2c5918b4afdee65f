/* A selection: which configs a mirror holds. Private to mirror*.c. Not thread-safe. */
#ifndef CLIENT_MIRROR_SELECTION_H
#define CLIENT_MIRROR_SELECTION_H

#include "confreg/v1/registry_service.pb-c.h"
#include "mirror.h"

/* Zeroed, or without selectors: all configs. */
struct mirror_selection {
    Confreg__V1__Selector *selectors; /* owned, with their texts */
    Confreg__V1__Selector **list;     /* owned; points to them, as a request wants it */
    size_t n;
    uint64_t number; /* see mirror_select */
};

void mirror_selection_init(struct mirror_selection *selection,
                           const struct mirror_selector *selectors, size_t n, uint64_t number);
void mirror_selection_fini(struct mirror_selection *selection);
void mirror_selection_copy(struct mirror_selection *selection, const struct mirror_selection *from);

/* Whether it selects the name. */
bool mirror_selection_matches(const struct mirror_selection *selection, const char *environment,
                              const char *service_name);
/* Whether each selector of `selection` is one of `held`, or `held` are all configs. */
bool mirror_selection_is_in(const struct mirror_selection *selection,
                            const struct mirror_selection *held);
/* The selectors that are not in held (NULL: none are). Not of all configs. */
void mirror_selection_without(const struct mirror_selection *selection,
                              const struct mirror_selection *held,
                              struct mirror_selection *ret_rest);

#endif
