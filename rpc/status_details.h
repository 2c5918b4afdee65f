/* Converts a status to and from google.rpc.Status, which is sent in the trailing metadata of a
 * call: ErrorInfo for reason and info, BadRequest for field or violations, RetryInfo for retry_ms.
 * Any thread. */
#ifndef RPC_STATUS_DETAILS_H
#define RPC_STATUS_DETAILS_H

#include "buf.h"
#include "violations.h"

#define STATUS_DETAILS_KEY "grpc-status-details-bin"

/* Whether the status has a reason or a field. */
bool status_has_details(const struct status *st);
/* Headers are limited: violations beyond this many bytes are left out, but never the first. */
#define STATUS_VIOLATIONS_BYTES 4096

/* Encodes a google.rpc.Status; owned by the caller. */
struct buf *status_details_encode(const struct status *st, const char *domain);

/* Sets reason, field and info of st from an encoded google.rpc.Status; unknown parts are ignored.
 * Keys of info live as long as the program, like the literals of a local status. At most 64
 * different keys are kept; info with any further key is dropped. The violations
 * are put into `room`, which is empty before and owned by the caller; st borrows them. */
void status_details_decode(const uint8_t *bytes, size_t size, struct status *st,
                           struct violations *room);

/* Converts the code of a failed call; an unknown code, or OK, becomes UNKNOWN. */
enum status_code status_code_of(int64_t code);

#endif
