/* Taking the old service's configurations over into a store: each version keeps its number, author,
 * comment and time. Can be repeated: what is there already is left alone. */
#ifndef LEGACY_TAKE_OVER_H
#define LEGACY_TAKE_OVER_H

#include "old_configs.h"
#include "store.h"

struct take_over_report {
    uint64_t imported;
    uint64_t there;   /* already, and the same; or deleted since it was imported */
    uint64_t refused; /* each was told, with the reason */
};

/* Carries it out. Nobody else may have the store's log open where the store does not share it.
 * False where it could not go on, with the cause; the report then says how far it has come, and all
 * of that is kept. */
bool take_over(struct old_configs *old, struct store *store, const struct json_limits *limits,
               old_refusal *refuse, void *user, struct take_over_report *report, struct status *st);

#endif
