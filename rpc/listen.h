/* Private to rpc: the locks of unix sockets that the server listens on. */
#ifndef RPC_LISTEN_H
#define RPC_LISTEN_H

#include "call.h"

/* Releases the locks. After the core's server was destroyed. */
void listen_unlock(struct rpc_server *server);

#endif
