/* A registry over a store with its committer, to write to and to ask all that it knows. */
#ifndef FAULT_DESK_H
#define FAULT_DESK_H

#include "committer.h"

struct desk {
    struct store *store;
    struct registry *registry;
    struct committer *committer;
};

/* False where the store or what is in it is refused; nothing is open then. */
bool desk_open(struct desk *desk, const char *address, struct status *st);
void desk_close(struct desk *desk);

struct deed {
    enum mutation_kind kind;
    const char *services[3]; /* of environment "prod"; a commit with a change of each */
    const char *json;
    uint64_t version;
    bool erase;
    const char *request_id; /* NULL: none */
};

/* Writes and waits for the answer; ret_commit (owned) is the commit. */
bool desk_write(struct desk *desk, const struct deed *deed, struct commit **ret_commit,
                struct status *st);

/* All answers to the same questions, in the same order. */
struct answers {
    struct answer {
        char *what; /* owned: the question, and what came */
        bool refused;
    } * items;
    size_t n;
};

/* Asks for identity and marks, for each config's head and versions, one by one and together, and
 * for the whole log. The configs are those of the deeds. A question that the desk cannot answer for
 * damage or I/O is refused. */
void desk_ask(struct desk *desk, const struct deed *deeds, size_t n_deeds, uint64_t n_versions,
              struct answers *ret_answers);
void answers_fini(struct answers *answers);

#endif
