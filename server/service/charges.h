/* Counts what callers use (parties.h): a caller with a name by it, an anonymous one by its address.
 * Callers behind a gateway that speaks for them, and have no name, are the gateway's to count.
 * Clients of a unix socket are not counted.
 *
 * A call is counted from its admission until it has gone, with its request's bytes; a watch counts
 * as a stream, every other call as a call. A call with wrong credentials counts as a failure of its
 * address, which is answered ever later (party_fail), unless a gateway has brought it. Any thread.
 */
#ifndef SERVICE_CHARGES_H
#define SERVICE_CHARGES_H

#include <stdint.h>

#include "service.h"

/* The functions that an rpc server is to ask; service is borrowed until its last connection has
 * ended, and complete when the first one comes. */
struct rpc_limits charges_of(struct service *service);

/* Counts n writes of a call: against the rate, and as so many calls. RESOURCE_EXHAUSTED
 * LIMIT_EXCEEDED. Once for a call, on its thread. */
bool charges_write(struct rpc_call *call, uint64_t n, struct status *st);

#endif
