/* A client of one address. */
#ifndef RPC_CLIENT_TO_H
#define RPC_CLIENT_TO_H

#include "rpc_client.h"

/* See rpc_client_open. */
static inline bool rpc_client_to(const char *address, const struct rpc_client_options *options,
                                 struct rpc_client **ret_client, struct status *st)
{
    return rpc_client_open(&address, 1, options, ret_client, st);
}

#endif
