/* From a gRPC status to an HTTP answer. */
#ifndef GATEWAY_ERRORS_H
#define GATEWAY_ERRORS_H

#include "request.h"

/* The HTTP status of a failure. */
unsigned errors_http_status(const struct status *st);

/* Answers a request whose call failed: 422 with the place of the fault, else an error with what st
 * tells programs. A write that ended without the server's word on it is answered as
 * OUTCOME_UNKNOWN. Documented answers that need more than the status are given by the handlers
 * before. */
void errors_answer(struct request *r, const struct status *st);

#endif
