/* The relay: publishes every change of the log on the bus, in revision order, at least once.
 *
 * A thread of its own reads the log from a stored position (the store's mark STORE_MARK_RELAYED):
 * the newest commits from memory (commit_window.h), older ones from the store. Publishing is
 * pipelined; when all messages up to some revision are confirmed, the position moves there by
 * compare-and-set. After any fault the relay starts again from the stored position, so messages can
 * be published twice but never left out.
 *
 * Every node has a relay. The one that holds the bus's lease publishes; the others stand by and try
 * to take the lease every second.
 *
 * On a bus without outside listeners (bus_ops.outside false) there is no thread and no position:
 * changes are only counted. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "bus.h"
#include "commit.h"
#include "store.h"

struct relay;

struct relay_options {
    struct bus *bus; /* bus and store are borrowed and must outlive the relay */
    struct store *store;
    const char *epoch; /* 16 hexadecimal digits; borrowed */
    uint64_t revision; /* of the log's newest commit */
    /* If nothing of this log was ever published: start with revision 1 instead of the next one. */
    bool whole_log;
};

/* Sets or reads the stored position and starts the thread. Errors of the store are passed on. */
bool relay_new(const struct relay_options *options, struct relay **ret_relay, struct status *st);
/* Publishes pending events for at most patience_ms and at most one second, then ends the thread.
 * NULL is ignored. */
void relay_free(struct relay *relay, int64_t patience_ms);

/* Hands a durable commit to the relay; in revision order, on the committer's thread. Never blocks
 * on I/O. */
void relay_commit(struct relay *relay, struct commit *commit);
/* Wakes the relay's thread; called once after a batch of commits. */
void relay_wake(struct relay *relay);

enum relay_role {
    RELAY_CONNECTING, /* the bus is unreachable or confirms nothing: events are delayed */
    RELAY_PUBLISHING,
    RELAY_STANDING_BY, /* another node publishes */
};

struct relay_report {
    enum relay_role role;
    uint64_t published; /* changes that this relay has published since it started */
    uint64_t next;      /* all revisions below this one are published, as far as this node knows */
    uint64_t behind;    /* commits of the log that are not published yet */
    char reason[256];   /* why the role is RELAY_CONNECTING; else "" */
};
/* Any thread; does not block on the bus. */
void relay_report(struct relay *relay, struct relay_report *ret_report);

#endif
