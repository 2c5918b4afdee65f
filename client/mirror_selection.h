/* A selection: which configs a mirror holds. Copies share their selectors, which do not change.
 * Private to mirror*.c. A struct is not thread-safe; copies are. */
#ifndef CLIENT_MIRROR_SELECTION_H
#define CLIENT_MIRROR_SELECTION_H

#include "buf.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "mirror.h"

/* Zeroed, or without selectors: all configs. */
struct mirror_selection {
    struct buf *block;            /* a reference; what follows points into it */
    Confreg__V1__Selector **list; /* as a request wants it */
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
/* The selectors that are not in held. Not of all configs. */
void mirror_selection_without(const struct mirror_selection *selection,
                              const struct mirror_selection *held,
                              struct mirror_selection *ret_rest);

#endif
