/* Decides when to compact by policy. Upkeep's thread. */
#ifndef UPKEEP_POLICY_H
#define UPKEEP_POLICY_H

#include "upkeep.h"

struct policy;

/* Borrows the options' store and registry. Never calls options->compact. */
struct policy *policy_new(const struct upkeep_options *options);
void policy_free(struct policy *policy);
/* Time of the next check, on clock_monotonic_ns(); INT64_MAX: never. */
int64_t policy_due_ns(const struct policy *policy);
/* Whether a compaction is due, and up to which revision. False if the store fails; the next check
 * tries again. */
bool policy_check(struct policy *policy, uint64_t *ret_floor, uint64_t *ret_keep_versions);

#endif
