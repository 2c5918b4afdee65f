#ifndef RPC_LISTEN_H
#define RPC_LISTEN_H

#include "call.h"

/* Gives back the locks of the unix sockets. After the core's server is destroyed. */
void listen_unlock(struct rpc_server *server);

#endif
