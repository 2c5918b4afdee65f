/* A registry over a store, which a test writes to without a committer. One thread. */
#ifndef TESTS_LEDGER_H
#define TESTS_LEDGER_H

#include "registry.h"
#include "store.h"

struct ledger {
    struct store *store; /* owned */
    struct registry *registry;
};

/* Over an empty store, which moves in. */
void ledger_init(struct ledger *ledger, struct store *store);
void ledger_fini(struct ledger *ledger);
/* Writes a commit of one mutation of a config in "prod"; a payload where it needs one. Ends the
 * test where that is refused. Owned by the caller. */
struct staged *ledger_write(struct ledger *ledger, const struct mutation *m);
/* An update of a config, which need not be there. */
struct staged *ledger_update(struct ledger *ledger, const char *service);

#endif
