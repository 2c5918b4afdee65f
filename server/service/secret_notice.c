#include "secret_notice.h"

#include <stdio.h>

#include "log.h"
#include "secret_counts.h"

void secret_notice(const struct registry *registry, const struct suspects *suspects,
                   const struct mutation *mutations)
{
    if (suspects->n == 0) {
        return;
    }
    secret_counts_add(registry_secret_counts(registry), suspects);
    const struct suspect *first = &suspects->items[0];
    const struct mutation *m = &mutations[first->place];
    char more[24];
    snprintf(more, sizeof more, "%zu", suspects->n - 1);
    log_event(LOG_WARNING, "secret_found", "environment", m->environment, "service", m->service,
              "pointer", first->pointer, "rule", first->rule->name, "outcome",
              suspect_fate_name(first->fate), "more", more, NULL);
}
