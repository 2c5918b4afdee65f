/* The identity of a caller for the logs: texts without a secret. Any thread that holds a reference
 * to the call. */
#ifndef SERVER_CALL_IDENTITY_H
#define SERVER_CALL_IDENTITY_H

#include "rpc_server.h"

/* The name of the caller; of one who was not identified, that in its certificate; "": none.
 * Borrowed from the call. */
const char *call_principal(struct rpc_call *call);

/* The credential that has proven it, kind and id: "token:0123456789ab",
 * "certificate:dns:billing.example"; "": nothing. Owned by the caller of this function. */
char *call_credential(struct rpc_call *call);

#endif
