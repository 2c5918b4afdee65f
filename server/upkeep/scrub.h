/* Removes erased payloads from the store. Erase commits define which; the mark SCRUBBED is the
 * revision up to which it is done. */
#ifndef UPKEEP_SCRUB_H
#define UPKEEP_SCRUB_H

#include "upkeep.h"

/* Removes the payloads erased by commits after the mark, up to `through`, and moves the mark. Call
 * on upkeep's thread, or before upkeep exists. Errors: faults of the store. Idempotent. */
bool scrub_finish(struct store *store, uint64_t through, struct status *st);

/* The pending scrub, and the writes that wait for it. Upkeep's thread. */
struct scrubber;

/* Reads the mark to find out whether a scrub up to `through` is due. */
struct scrubber *scrubber_new(struct store *store, uint64_t through);
/* No wait may be left. */
void scrubber_free(struct scrubber *scrubber);
/* Makes a scrub due: a commit has erased payloads. */
void scrubber_want(struct scrubber *scrubber);
/* Takes ownership of a list of waits. */
void scrubber_add_waits(struct scrubber *scrubber, struct scrub_wait *waits);
bool scrubber_is_due(const struct scrubber *scrubber);
/* Tries once, if a scrub is due. False with st: it failed and stays due. */
bool scrubber_run(struct scrubber *scrubber, uint64_t through, struct status *st);
/* Completes all waits. */
void scrubber_answer(struct scrubber *scrubber);

#endif
