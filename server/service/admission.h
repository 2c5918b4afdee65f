/* Admits calls: finds out who calls, and refuses what he may not do for any config. The hook of
 * rpc_server_options. What each method needs is in rights.h. */
#ifndef SERVICE_ADMISSION_H
#define SERVICE_ADMISSION_H

#include "caller.h"
#include "rpc_server.h"
#include "service.h"

/* rpc_server_options.admit; user: the struct service. Failures: those of access_identify, and
 * PERMISSION_DENIED, reason NOT_ALLOWED. */
bool admission_check(void *user, struct rpc_call *call, const struct rpc_service *rpc,
                     const struct rpc_method *method, void **ret_caller, struct status *st);
/* rpc_server_options.allow: rights_check. */
bool admission_allow(void *user, struct rpc_call *call, const struct rpc_service *rpc,
                     const struct rpc_method *method, const ProtobufCMessage *request,
                     struct status *st);
/* Decides about a call again, under the rights in force by now: before a call that had to wait is
 * answered. Failures: those of access_renew, and NOT_ALLOWED. */
bool admission_repeat(struct service *service, struct rpc_call *call,
                      const ProtobufCMessage *request, struct status *st);
/* Whether a call, whoever makes it, was brought by a gateway that has proven that it is one. */
bool admission_by_gateway(struct service *service, struct rpc_call *call);
/* rpc_server_options.release_caller. */
void admission_release(void *caller);

/* The caller who makes it; borrowed from the call. Never NULL in a handler of the service. */
const struct caller *admission_caller(const struct rpc_call *call);

#endif
