/* A node that other tests run several of over one log: a committer with a registry of its own that
 * appends to a store that others append to as well.
 *
 * What runs on other threads than a test's own uses assert: Criterion's assertions keep memory for
 * each thread, which would look like a leak. */
#ifndef TESTS_COMMIT_NODE_H
#define TESTS_COMMIT_NODE_H

#include <semaphore.h>

#include "trace.h"
#include "waited.h"

struct node {
    struct store *store; /* a trace over the shared one */
    struct registry *registry;
    struct committer *committer;
    atomic_uint_fast64_t announced; /* the last revision that the listener was told of */
    atomic_uint diverged;
    sem_t moved; /* posted when commits were applied */
};

/* Over the store that it has already, a trace. */
void node_start(struct node *node);
void node_open(struct node *node, const char *address);
/* The store, too. */
void node_close(struct node *node);

#define NODES 3

/* Several nodes over one log. */
void nodes_open(struct node nodes[NODES], const char *address);
void nodes_close(struct node nodes[NODES]);

struct request {
    enum mutation_kind kind;
    const char *service;
    uint64_t version;
    uint64_t expected_version;
    uint64_t keep_versions;
    const char *id;
    const char *tag; /* the commit's comment: unique to the write; NULL: "" */
    bool allow_missing;
};

/* Writes and waits; NULL where it was refused, as w says. What comes back is the caller's. */
struct staged *write_one(struct node *node, const struct request *r, struct waited *w);

#endif
