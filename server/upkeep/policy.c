#include "policy.h"

#include "clock.h"
#include "compact.h"

/* Checks per interval. Nodes share the interval: the first that finds it elapsed compacts. */
#define CHECKS 10

struct policy {
    struct store *store;
    const struct registry *registry;
    struct compaction_policy rule;
    int64_t next_ns;
};

struct policy *policy_new(const struct upkeep_options *options)
{
    struct policy *p = mem_zalloc(sizeof *p);
    bool is_set = options->policy.keep_versions > 0 || options->policy.keep_age_us > 0;
    *p = (struct policy){.store = options->store,
                         .registry = options->registry,
                         .rule = options->policy,
                         .next_ns = is_set ? 0 : INT64_MAX};
    return p;
}

void policy_free(struct policy *policy)
{
    free(policy);
}

int64_t policy_due_ns(const struct policy *policy)
{
    return policy->next_ns;
}

static bool take_time(void *user, struct commit *commit)
{
    *(int64_t *)user = commit->time_us;
    return false;
}

/* The newest revision that is not younger than a time: commit times never go back. */
static bool find_revision_at(const struct policy *p, int64_t time_us, uint64_t *ret_revision,
                             struct status *st)
{
    uint64_t low = registry_floor(p->registry);
    uint64_t high = registry_position(p->registry).revision;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        int64_t found_us = 0;
        if (!store_read_known_commits(p->store, middle, middle, false, take_time, &found_us, st)) {
            return false;
        }
        if (found_us <= time_us) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *ret_revision = low;
    return true;
}

/* Whether the floor moves on, and not only past the last compaction's own commit. */
static bool is_worth_it(const struct compaction *last, uint64_t floor)
{
    bool only_itself = floor == last->revision && last->floor + 1 == last->revision;
    return floor > last->floor && !only_itself;
}

/* Whether the interval has elapsed since the last compaction of any node; time_us is 0 if there was
 * none. */
static bool is_over(const struct compaction_policy *rule, const struct compaction *last)
{
    return clock_wall_us() - last->time_us >= rule->interval_us;
}

bool policy_check(struct policy *p, uint64_t *ret_floor, uint64_t *ret_keep_versions)
{
    struct compaction last = registry_compaction(p->registry);
    uint64_t floor = 0;
    struct status st;
    p->next_ns = clock_monotonic_ns() + p->rule.interval_us * 1000 / CHECKS;
    if (!is_over(&p->rule, &last) || !compact_may_begin(p->store, p->registry, &st) ||
        !find_revision_at(p, clock_wall_us() - p->rule.keep_age_us, &floor, &st) ||
        !is_worth_it(&last, floor)) {
        return false;
    }
    *ret_floor = floor;
    *ret_keep_versions = p->rule.keep_versions == 0 ? 1 : p->rule.keep_versions;
    return true;
}
