/* A status as the google.rpc.Status that travels in the trailing metadata of a call: ErrorInfo for
 * reason and info, BadRequest for field. */
#ifndef RPC_STATUS_DETAILS_H
#define RPC_STATUS_DETAILS_H

#include "buf.h"
#include "status.h"

#define STATUS_DETAILS_KEY "grpc-status-details-bin"

/* Whether there is something to say beyond code and message. */
bool status_has_details(const struct status *st);
/* The google.rpc.Status, owned. */
struct buf *status_details_encode(const struct status *st, const char *domain);

/* Takes reason, field and info over into st. What is not understood is passed over: the code and
 * the message stand without it. Keys of info live as long as the program, so that they can be used
 * like the literals of a status that was made here; 64 different ones are kept, info under any
 * further key is dropped. Any thread. */
void status_details_decode(const uint8_t *bytes, size_t size, struct status *st);

/* The code of a failure as another program gave it. */
enum status_code status_code_of(int64_t code);

#endif
