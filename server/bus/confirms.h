/* Tracks publisher confirms. The broker confirms messages in any order, one by one or all up to a
 * number. All messages up to the frontier are confirmed. Not thread-safe. */
#ifndef BUS_CONFIRMS_H
#define BUS_CONFIRMS_H

#include "bus.h"

struct confirms {
    uint64_t published;            /* the newest number that was given */
    uint64_t frontier;             /* numbers 1 to this one are confirmed */
    bool confirmed[BUS_IN_FLIGHT]; /* for numbers after the frontier: slot number % BUS_IN_FLIGHT */
};

void confirms_reset(struct confirms *confirms);
/* Returns the number of the next message. Fewer than BUS_IN_FLIGHT may be unconfirmed. */
uint64_t confirms_add(struct confirms *confirms);
/* Records the confirm of a number, or of all up to it. False: the number was never published. */
bool confirms_take(struct confirms *confirms, uint64_t number, bool all_before);

#endif
