/* The relay: puts every change of the log on the bus, in revision order, at least once.
 *
 * A thread of its own reads the log from the stored position (mark RELAYED) on: the newest commits
 * from memory, older ones from the store. It keeps many messages under way; what is confirmed
 * without gaps moves the position, by compare and set. After any fault it begins anew from the
 * stored position. Several nodes have a relay each; the one that holds the bus's lease publishes,
 * the others stand by.
 *
 * On a bus that nobody outside hears there is no thread and no position: changes are counted. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "bus.h"
#include "commit.h"
#include "store.h"

struct relay;

struct relay_options {
    struct bus *bus; /* both borrowed; must outlive it */
    struct store *store;
    const char *epoch; /* 16 hexadecimal digits; borrowed */
    uint64_t revision; /* the log's, now */
    /* Where nothing of this log was ever published: publish all of it rather than what comes from
     * now on. */
    bool whole_log;
};

/* Starts. Fails as the store does. */
bool relay_new(const struct relay_options *options, struct relay **ret_relay, struct status *st);
/* Publishes pending events for at most patience_ms and at most one second, then ends the thread.
 * NULL is ignored. */
void relay_free(struct relay *relay, int64_t patience_ms);

/* Takes note of a commit that is durable, in revision order, and of the end of a batch of them. The
 * committer's thread; never blocks. */
void relay_commit(struct relay *relay, struct commit *commit);
void relay_wake(struct relay *relay);

enum relay_role {
    RELAY_CONNECTING, /* the bus cannot be reached or confirms nothing: events are delayed */
    RELAY_PUBLISHING,
    RELAY_STANDING_BY, /* another node publishes */
};

struct relay_report {
    enum relay_role role;
    uint64_t published; /* changes that this relay published since its start */
    uint64_t next;      /* changes below this revision are published, as far as this node knows */
    uint64_t behind;    /* commits of the log that are not published */
    char reason[256];   /* why it is connecting; else "" */
};
/* Any thread. */
void relay_report(struct relay *relay, struct relay_report *ret_report);

#endif
