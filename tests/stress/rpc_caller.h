/* A client of the stress program with many calls under way: each end of one begins the next. */
#ifndef STRESS_RPC_CALLER_H
#define STRESS_RPC_CALLER_H

#include "random.h"
#include "stress.h"

struct caller;

/* finished (borrowed) counts the calls that ended. */
struct caller *caller_start(int port, uint64_t seed, uint64_t n_calls, struct tally *finished);
/* Cancels one of the streams that are open, if there is one. Any thread. */
void caller_cancel_any(struct caller *caller, struct random *random);
/* Frees the client, with calls open or not; checks that each call ended exactly once. Gives how
 * many succeeded. */
uint64_t caller_end(struct caller *caller);

#endif
