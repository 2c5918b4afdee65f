/* Write transactions of a SQLite store.
 *
 * SQLite lets one transaction write at a time. The gate decides which one: an append that waits
 * comes in as soon as the transaction before it has ended. All other writes (upkeep: heads, marks,
 * erasing, compaction) are cut into pieces, short transactions that end early when an append waits.
 * So an append waits for the rest of one piece at most.
 *
 * Upkeep is not synced, so that an append never waits for a sync but its own. It becomes durable
 * with the next append or checkpoint, in the order in which it was written. */
#ifndef STORE_SQLITE_WRITE_H
#define STORE_SQLITE_WRITE_H

#include "sqlite_db.h"

void sqlite_gate_init(struct sqlite_gate *gate);
void sqlite_gate_fini(struct sqlite_gate *gate);
/* For everything else: lets the appends that wait go first. */
void sqlite_gate_enter(struct sqlite_gate *gate);
void sqlite_gate_leave(struct sqlite_gate *gate);

/* Checks before a write that the open files are still the ones at their paths. */
bool sqlite_check_files(struct sqlite_store *s, struct status *st);

/* Enters the gate and begins an append. False: outside the gate, no transaction. */
bool sqlite_begin_append(struct sqlite_store *s, struct status *st);
/* Commits and syncs if ok, else rolls back; leaves the gate. UNAVAILABLE, reason OUTCOME_UNKNOWN: a
 * failed COMMIT may have taken effect. */
bool sqlite_finish_append(struct sqlite_store *s, bool ok, struct status *st);

/* A piece of upkeep: a transaction of the keeper. */
struct sqlite_piece {
    struct sqlite_store *s;
    int64_t until_ns;
};
/* Enters the gate and begins the piece. False: outside the gate, no transaction. */
bool sqlite_begin_piece(struct sqlite_store *s, struct sqlite_piece *ret_piece, struct status *st);
/* Whether the piece may do more: a millisecond has not passed, and no append waits. */
bool sqlite_piece_goes_on(const struct sqlite_piece *piece);
/* Commits if ok, else rolls back; leaves the gate. */
bool sqlite_finish_piece(struct sqlite_piece *piece, bool ok, struct status *st);

#endif
