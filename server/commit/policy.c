#include "clock.h"
#include "state.h"

#define CHECKS                                                                                     \
    10 /* in an interval: nodes share it, and the first one that finds it over compacts */

/* A compaction by policy on its way through the committer. */
struct policy_write {
    struct write write;
    struct mutation mutation;
};

static bool take_time(void *user, struct commit *commit)
{
    *(int64_t *)user = commit->time_us;
    return false;
}

/* The newest revision that is not younger than a time: commit times never go back. */
static bool find_revision_at(struct committer *c, int64_t time_us, uint64_t *ret_revision,
                             struct status *st)
{
    uint64_t low = registry_floor(c->registry);
    uint64_t high = registry_position(c->registry).revision;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        int64_t found_us = 0;
        if (!store_read_known_commits(c->store, middle, middle, false, take_time, &found_us, st)) {
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

/* Compactions alone are no reason for another one. */
static bool is_worth_it(const struct compaction *last, uint64_t floor)
{
    bool only_itself = floor == last->revision && last->floor + 1 == last->revision;
    return floor > last->floor && !only_itself;
}

static void done(struct write *write)
{
    struct policy_write *p = CONTAINER_OF(write, struct policy_write, write);
    staged_free(write->staged);
    free(p);
}

static struct write *make_write(const struct compaction_policy *policy, uint64_t floor)
{
    struct policy_write *p = mem_zalloc(sizeof *p);
    p->mutation = (struct mutation){
        .kind = MUTATE_COMPACT,
        .environment = "",
        .service = "",
        .version = floor,
        .keep_versions = policy->keep_versions == 0 ? 1 : policy->keep_versions,
        .expected_epoch = "",
    };
    p->write.command = (struct command){.actor = "",
                                        .peer = "",
                                        .comment = "by policy",
                                        .request_id = "",
                                        .mutations = &p->mutation,
                                        .n_mutations = 1};
    p->write.deadline_ns = INT64_MAX;
    p->write.submitted_ns = clock_monotonic_ns();
    p->write.done = done;
    return &p->write;
}

/* Whether so much time has passed since anybody's last compaction. */
static bool is_over(const struct compaction_policy *policy, const struct compaction *last)
{
    return last->revision == 0 || clock_wall_us() - last->time_us >= policy->interval_us;
}

struct write *policy_check(struct committer *c)
{
    const struct compaction_policy *policy = &c->policy;
    bool is_set = policy->keep_versions > 0 || policy->keep_age_us > 0;
    int64_t now_ns = clock_monotonic_ns();
    if (!is_set || c->diverged || now_ns < c->next_policy_ns) {
        return NULL;
    }
    c->next_policy_ns = now_ns + policy->interval_us * 1000 / CHECKS;
    struct compaction last = registry_compaction(c->registry);
    uint64_t floor = 0;
    struct status st;
    if (!is_over(policy, &last) || !compact_may_begin(c, &st) ||
        !find_revision_at(c, clock_wall_us() - policy->keep_age_us, &floor, &st)) {
        return NULL; /* the next check will tell */
    }
    return is_worth_it(&last, floor) ? make_write(policy, floor) : NULL;
}
