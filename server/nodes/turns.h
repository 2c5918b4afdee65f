/* Nodes that write to one log at the same time take turns. Without turns each append of one node
 * makes the others' fail (REVISION_TAKEN), and who is slower never gets in.
 *
 * A turn lasts about as long as 14 appends. Who has had one, while others want to write, sets the
 * mark GIVEN and waits until another node has written. Who lost two appends in a row waits, too:
 * for GIVEN, or until the log has stood still for a while; it asks for a turn by the mark TURN. The
 * marks make it fair and fast, not safe: appends are that by themselves.
 *
 * Only for stores that are shared. Committer's thread. */
#ifndef NODES_TURNS_H
#define NODES_TURNS_H

#include "catch_up.h"

struct turns;

struct turns_options {
    struct store *store; /* borrowed, as all here */
    const struct registry *registry;
    struct log_identity
        *identity;             /* asked after a wait: the log may have been replaced meanwhile */
    struct catch_up *catch_up; /* tells whether others write */
    /* Takes in what other nodes have appended. */
    void (*follow)(void *user);
    /* Waits; true: the committer stops. */
    bool (*pause)(void *user, int64_t wait_ns);
    void *user;
};

struct turns *turns_new(const struct turns_options *options);
void turns_free(struct turns *turns);

/* Before a batch is staged: lets others append where they want to. */
void turns_give_way(struct turns *turns);
/* An append went well, and took so long. */
void turns_won(struct turns *turns, int64_t took_ns);
/* An append came too late. */
void turns_lost(struct turns *turns);

#endif
