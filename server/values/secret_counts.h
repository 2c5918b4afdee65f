/* Counters of places in values of writes that look like secrets. Any thread. */
#ifndef VALUES_SECRET_COUNTS_H
#define VALUES_SECRET_COUNTS_H

#include "metrics.h"
#include "suspects.h"

#define SECRET_RULES_MAX 250

/* Counts by rule, in the order of secrets_next_rule, and fate. Zeroed: none yet. */
struct secret_counts {
    struct metric counts[SECRET_RULES_MAX][SUSPECT_FATES];
};

void secret_counts_add(struct secret_counts *counts, const struct suspects *suspects);
/* Appends the counts that are not 0 as confreg_secrets_total. */
void secret_counts_show(const struct secret_counts *counts, struct str *page);

#endif
