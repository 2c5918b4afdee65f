/* Whether the store's log is still the one that this node loaded. After a restore under a running
 * node, or another database at the same address, it is not: then the node must neither write nor
 * serve what it applied, and starts anew.
 *
 * Any thread. */
#ifndef NODES_LOG_IDENTITY_H
#define NODES_LOG_IDENTITY_H

#include "registry.h"
#include "store.h"

struct log_identity;

/* changed: called once, where the log turns out to be another one, on the thread that finds out;
 * must not block. The store is borrowed. */
struct log_identity *log_identity_new(struct store *store, void (*changed)(void *user), void *user);
void log_identity_free(struct log_identity *identity);

/* True for good once the log was found to be another one. Then st is UNAVAILABLE, reason
 * LOG_CHANGED. */
bool log_identity_is_changed(struct log_identity *identity, struct status *st);
/* Looks up the commit that was applied last; one find. False where the log has another commit
 * there, or has had none for five seconds of such checks (st as above), and where the store fails.
 * A commit that is missing may only not be visible yet. */
bool log_identity_check(struct log_identity *identity, const struct position *applied,
                        struct status *st);
/* The log was seen to reach the position that was applied last. */
void log_identity_confirm(struct log_identity *identity);

#endif
