/* A status as the google.rpc.Status that travels in the trailing metadata of a call: ErrorInfo for
 * reason and info, BadRequest for field. */
#ifndef RPC_STATUS_DETAILS_H
#define RPC_STATUS_DETAILS_H

#include <grpc/grpc.h>

#include "status.h"

#define STATUS_DETAILS_KEY "grpc-status-details-bin"

/* False where there is nothing to say beyond code and message. The slice is the caller's. */
bool status_details_encode(const struct status *st, const char *domain, grpc_slice *ret_slice);

/* Takes reason, field and info over into st. What is not understood is passed over: the code and
 * the message stand without it. Keys of info live as long as the program, so that they can be used
 * like the literals of a status that was made here; 64 different ones are kept, info under any
 * further key is dropped. Any thread. */
void status_details_decode(const uint8_t *bytes, size_t size, struct status *st);

#endif
