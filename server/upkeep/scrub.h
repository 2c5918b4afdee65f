/* Making erased payloads go away: an erase commit says what has to go, the mark SCRUBBED how far
 * that was done. */
#ifndef UPKEEP_SCRUB_H
#define UPKEEP_SCRUB_H

#include "upkeep.h"

/* Removes what the commits behind the mark up to `through` erased, and moves the mark. Before there
 * is an upkeep, or on its thread. Faults of the store; repeating it does no harm. */
bool scrub_finish(struct store *store, uint64_t through, struct status *st);

/* The scrubber: the scrub that is due, and the writes that wait for it. Upkeep's thread. */
struct scrubber;

/* Finds out whether payloads may still have to be removed up to `through`. */
struct scrubber *scrubber_new(struct store *store, uint64_t through);
/* Nobody waits any more. */
void scrubber_free(struct scrubber *scrubber);
/* Something was erased. */
void scrubber_want(struct scrubber *scrubber);
/* These wait, too. They move in. */
void scrubber_add_waits(struct scrubber *scrubber, struct scrub_wait *waits);
bool scrubber_is_due(const struct scrubber *scrubber);
/* Tries once, where it is due. False with st where that failed: it stays due. */
bool scrubber_run(struct scrubber *scrubber, uint64_t through, struct status *st);
/* Tells all that wait. */
void scrubber_answer(struct scrubber *scrubber);

#endif
