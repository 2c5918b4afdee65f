/* Suspects: the places in the values of a write that look like secrets, and what became of them.
 * Nothing of a value is in here. Not thread-safe. */
#ifndef VALUES_SUSPECTS_H
#define VALUES_SUSPECTS_H

#include "secrets.h"

#define SUSPECTS_MAX 64

/* The fate of a value because of a suspect. */
enum suspect_fate {
    SUSPECT_WARNED,  /* the writer is warned */
    SUSPECT_ALLOWED, /* the writer had it written although it looks like a secret */
    SUSPECT_REFUSED,
    SUSPECT_FATES
};

/* "warned", "allowed", "refused". */
const char *suspect_fate_name(enum suspect_fate fate);

struct suspect {
    size_t place;                   /* of the value: the caller's number for it */
    const struct secret_rule *rule; /* constant */
    char *pointer;                  /* JSON Pointer into the value; owned */
    bool in_key;
    enum suspect_fate fate;
};

/* Zeroed: empty. Owned by the caller. */
struct suspects {
    struct suspect *items; /* by place */
    size_t n;
    bool more; /* there are more than SUSPECTS_MAX */
};
void suspects_fini(struct suspects *suspects);
/* Adds a copy of a finding. */
void suspects_add(struct suspects *suspects, size_t place, const struct secret_finding *finding,
                  enum suspect_fate fate);
/* Forgets what was found at a place. */
void suspects_drop(struct suspects *suspects, size_t place);
/* Whether a place has a suspect with this fate. */
bool suspects_have(const struct suspects *suspects, size_t place, enum suspect_fate fate);

#endif
