#include "announcer.h"

#include "clock.h"

struct announcer {
    struct announcer_options options;
    int64_t took_ns; /* by the listener, since the last commit of the batch before */
};

struct announcer *announcer_new(const struct announcer_options *options)
{
    struct announcer *announcer = mem_zalloc(sizeof *announcer);
    announcer->options = *options;
    return announcer;
}

void announcer_free(struct announcer *announcer)
{
    free(announcer);
}

void announcer_commit(struct announcer *announcer, const struct staged *staged, bool own)
{
    const struct announcer_options *options = &announcer->options;
    recent_requests_add(options->recent, staged->commit);
    commit_forget_payloads(staged->commit); /* from here on others read it */
    upkeep_note(options->upkeep, staged, own);
    int64_t begun_ns = clock_monotonic_ns();
    options->listener.committed(options->listener.user, staged);
    announcer->took_ns += clock_monotonic_ns() - begun_ns;
}

void announcer_settle(struct announcer *announcer, bool own)
{
    const struct announcer_options *options = &announcer->options;
    struct position position = registry_position(options->registry);
    int64_t begun_ns = clock_monotonic_ns();
    options->listener.settled(options->listener.user, &position, own);
    announcer->took_ns += clock_monotonic_ns() - begun_ns;
    histogram_observe(&options->stats->announce, (uint64_t)announcer->took_ns);
    announcer->took_ns = 0;
}
