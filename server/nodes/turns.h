/* Turns of nodes that append to one log at the same time. Without turns each append of one node
 * makes the appends of the others fail (REVISION_TAKEN), and the slower node never succeeds.
 *
 * A turn lasts about as long as 14 appends. After its turn, if other nodes want to write, a node
 * sets the mark GIVEN and waits until another node has written. A node that lost two appends in a
 * row asks for a turn by the mark TURN, and waits for GIVEN or until the log has not grown for a
 * while. Turns only make appends fair and fast: their correctness does not depend on turns.
 *
 * Only for shared stores. Committer's thread. */
#ifndef NODES_TURNS_H
#define NODES_TURNS_H

#include "catch_up.h"

struct turns;

struct turns_options {
    struct store *store; /* borrowed, as all here */
    const struct registry *registry;
    struct log_identity *identity; /* checked after a wait: the log may have been replaced */
    struct catch_up *catch_up;     /* shows whether other nodes write */
    /* Applies what other nodes have appended. */
    void (*follow)(void *user);
    /* Waits. Returns true if the committer stops. */
    bool (*pause)(void *user, int64_t wait_ns);
    void *user;
};

struct turns *turns_new(const struct turns_options *options);
void turns_free(struct turns *turns);

/* Call before a batch is staged: lets other nodes append if they want to. */
void turns_give_way(struct turns *turns);
/* Notes an append that succeeded, and its duration. */
void turns_won(struct turns *turns, int64_t took_ns);
/* Notes an append that lost its revision to another node. */
void turns_lost(struct turns *turns);

#endif
