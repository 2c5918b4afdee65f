#include "answers.h"

struct answers {
    const struct registry *registry;
    struct upkeep *upkeep;
    struct commit_stats *stats;
};

struct answers *answers_new(const struct registry *registry, struct upkeep *upkeep,
                            struct commit_stats *stats)
{
    struct answers *answers = mem_alloc(sizeof *answers);
    *answers = (struct answers){.registry = registry, .upkeep = upkeep, .stats = stats};
    return answers;
}

void answers_free(struct answers *answers)
{
    free(answers);
}

/* Also a repeat, and a write that finds nothing left to erase: what an earlier one erased may not
 * be gone yet. */
static bool erases(const struct write *write)
{
    const struct command *command = &write->command;
    for (size_t i = 0; i < command->n_mutations && !write->validate_only; i++) {
        const struct mutation *m = &command->mutations[i];
        if (m->kind == MUTATE_DELETE && (m->erase || m->version != 0)) {
            return true;
        }
    }
    return false;
}

static void scrubbed(struct scrub_wait *wait)
{
    struct write *write = CONTAINER_OF(wait, struct write, scrub);
    write->done(write);
}

void answers_succeed(struct answers *answers, struct write *write)
{
    write->ok = true;
    write->position = registry_position(answers->registry);
    metric_add(&answers->stats->writes[STATUS_OK], 1);
    if (erases(write)) {
        write->scrub.done = scrubbed;
        upkeep_wait_scrubbed(answers->upkeep, &write->scrub);
    } else {
        write->done(write);
    }
}

void answers_fail(struct answers *answers, struct write *write, const struct status *st)
{
    write->ok = false;
    write->st = *st;
    metric_add(&answers->stats->writes[st->code], 1);
    staged_free(MOVE(write->staged));
    write->done(write);
}

void answers_fail_all(struct answers *answers, struct write *writes, const struct status *st)
{
    while (writes != NULL) {
        struct write *next = writes->next;
        answers_fail(answers, writes, st);
        writes = next;
    }
}
