/* Violations: the faults of a request, where there may be several (google.rpc.BadRequest). A status
 * borrows them from a list that somebody owns. Any thread; not thread-safe. */
#ifndef BASE_VIOLATIONS_H
#define BASE_VIOLATIONS_H

#include "mem.h"
#include "status.h"

/* Zeroed: empty. */
struct violations {
    struct status_violation *items; /* owned, with their texts */
    size_t n;
};

void violations_fini(struct violations *violations);
/* Copies the texts. */
void violations_add(struct violations *violations, const char *field, const char *reason,
                    const char *message);
/* Lends the list to st, until it is changed or freed. */
void violations_lend(const struct violations *violations, struct status *st);
/* Takes them away from st. */
void violations_drop(struct status *st);
/* Makes st independent of where its violations are: copies them to an empty list, which st borrows
 * from then on. */
void violations_keep(struct violations *violations, struct status *st);

#endif
