/* Imports the old service's configurations into a store. Each version keeps its number, author,
 * comment and time. An import can be repeated or continued: versions that exist are left alone. */
#ifndef LEGACY_TAKE_OVER_H
#define LEGACY_TAKE_OVER_H

#include "old_configs.h"
#include "store.h"

struct take_over_report {
    uint64_t imported;
    uint64_t suspect; /* of those imported: with a value that looks like a secret */
    uint64_t there;   /* existed already with the same payload, or without one (erased since) */
    uint64_t refused; /* reported to refuse, with the reason */
};

/* Runs the import; blocks until it is finished. Unless the store is shared, no other process may
 * have it open. False: the import stopped early, for the reason in st; report counts what was
 * imported until then, which stays. */
bool take_over(struct old_configs *old, struct store *store, const struct json_limits *limits,
               old_refusal *refuse, void *user, struct take_over_report *report, struct status *st);

#endif
