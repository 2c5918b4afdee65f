#include "secret_counts.h"

#include <assert.h>
#include <string.h>

static void count(struct secret_counts *counts, const struct suspect *suspect)
{
    size_t place = 0;
    const struct secret_rule *rule;
    for (size_t i = 0; (rule = secrets_next_rule(&place)) != NULL; i++) {
        assert(i < SECRET_RULES_MAX && "each rule has its counters");
        if (strcmp(rule->name, suspect->rule->name) == 0) {
            metric_add(&counts->counts[i][suspect->fate], 1);
            return;
        }
    }
}

void secret_counts_add(struct secret_counts *counts, const struct suspects *suspects)
{
    for (size_t i = 0; i < suspects->n; i++) {
        count(counts, &suspects->items[i]);
    }
}

void secret_counts_show(const struct secret_counts *counts, struct str *page)
{
    metrics_family(page, "confreg_secrets_total", METRIC_COUNTER,
                   "Places in values of writes that look like secrets, by rule and outcome.");
    size_t place = 0;
    const struct secret_rule *rule;
    for (size_t i = 0; (rule = secrets_next_rule(&place)) != NULL; i++) {
        for (size_t fate = 0; fate < SUSPECT_FATES; fate++) {
            uint64_t n = metric_value(&counts->counts[i][fate]);
            struct metric_labels labels = {
                {{"rule", rule->name}, {"outcome", suspect_fate_name((enum suspect_fate)fate)}}};
            if (n > 0) {
                metrics_sample(page, "confreg_secrets_total", &labels, (double)n);
            }
        }
    }
}
