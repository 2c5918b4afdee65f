/* Keeps the audit and the access log of the gRPC server's calls (call_logs.h): who has called what,
 * about which configs, and how it ended.
 *
 * The names of configs are found by the names of fields, `environment` and `service_name`, so that
 * a new method needs nothing here. The filters of lists and watches become patterns, "prod/bill*";
 * an empty environment is "default" in a name and "*" in a pattern. A call that was refused before
 * its request was decoded has no names. Any thread. */
#ifndef SERVER_CALL_ACCOUNT_H
#define SERVER_CALL_ACCOUNT_H

#include "call_logs.h"
#include "rpc_server.h"

/* The functions of an account, for rpc_server_options; logs is borrowed as long as it is used. */
struct rpc_account call_account(struct call_logs *logs);

/* Logs a part of a call that was refused, if it was refused, while the call as such may succeed.
 * logs: NULL is ignored. */
void call_account_add_part(struct call_logs *logs, struct rpc_call *call, const char *method,
                           const char *environment, const char *service, const struct status *st);

#endif
