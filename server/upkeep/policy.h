/* When to compact without being asked. Upkeep's thread. */
#ifndef UPKEEP_POLICY_H
#define UPKEEP_POLICY_H

#include "upkeep.h"

struct policy;

/* The options' store and registry are borrowed, compact is not called from here. */
struct policy *policy_new(const struct upkeep_options *options);
void policy_free(struct policy *policy);
/* When to check next, on clock_monotonic_ns(); INT64_MAX: never. */
int64_t policy_due_ns(const struct policy *policy);
/* Whether a compaction is due, and up to which revision. What the store does not answer now, the
 * next check finds out. */
bool policy_check(struct policy *policy, uint64_t *ret_floor, uint64_t *ret_keep_versions);

#endif
