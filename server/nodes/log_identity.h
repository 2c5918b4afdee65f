/* Whether the store's log is still the one that this node loaded. After a restore under a running
 * node, or with another database at the same address, it is not. Then the node must neither write
 * nor serve what it has applied, and must restart.
 *
 * Any thread. */
#ifndef NODES_LOG_IDENTITY_H
#define NODES_LOG_IDENTITY_H

#include "registry.h"
#include "store.h"

struct log_identity;

/* changed: called once if the log is another one, on the thread that finds it; must not block. The
 * store is borrowed. */
struct log_identity *log_identity_new(struct store *store, void (*changed)(void *user), void *user);
void log_identity_free(struct log_identity *identity);

/* True for good once the log was found to be another one, here or by the store. Then st is
 * UNAVAILABLE, reason LOG_CHANGED. */
bool log_identity_is_changed(struct log_identity *identity, struct status *st);
/* Looks up the commit that was applied last, by one find. False: the log has another commit there,
 * or has had none for five seconds of such checks (st as above), or the store fails. A single miss
 * is no proof: the commit may not be visible yet. */
bool log_identity_check(struct log_identity *identity, const struct position *applied,
                        struct status *st);
/* Notes that the log was seen to have the commit that was applied last. */
void log_identity_confirm(struct log_identity *identity);

#endif
