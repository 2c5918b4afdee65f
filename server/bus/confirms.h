/* Which of the messages under way the broker has confirmed: it does so in any order, one by one or
 * all up to a number. The frontier is what counts: everything up to it is confirmed. */
#ifndef BUS_CONFIRMS_H
#define BUS_CONFIRMS_H

#include "bus.h"

struct confirms {
    uint64_t published; /* numbers 1 to this one were given */
    uint64_t frontier;
    bool confirmed[BUS_IN_FLIGHT]; /* of the numbers behind the frontier, by number modulo */
};

void confirms_reset(struct confirms *confirms);
/* Gives the next message its number. There must be room for it. */
uint64_t confirms_add(struct confirms *confirms);
/* The broker confirms this one, or all up to it. False where it confirms what was not published. */
bool confirms_take(struct confirms *confirms, uint64_t number, bool all_before);

#endif
