/* The lines of requests in the gateway's audit and access log (call_logs.h). HTTP thread. */
#ifndef GATEWAY_CALL_LOG_H
#define GATEWAY_CALL_LOG_H

#include "request.h"

/* Whether the request may go on; false: it has been refused (503 AUDIT_UNAVAILABLE). Probes and
 * metrics always may. */
bool call_log_admit(struct request *r);
/* The request lasts: it is a stream of events. */
void call_log_opened(struct request *r);
/* The request has ended. */
void call_log_ended(struct request *r);
/* The HTTP server has refused what is no request. */
void call_log_refused(struct gateway *gateway, unsigned status, const char *reason);

#endif
