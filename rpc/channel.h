/* Private to rpc: a client's channel to its server, which is replaced when the files of TLS change.
 * Calls on the channel before go on. Any thread, unless something else is said. */
#ifndef RPC_CHANNEL_H
#define RPC_CHANNEL_H

#include "rpc_client.h"

struct grpc_channel;
struct channel;
struct channel_source;

/* The channel of one reading of the files. Reference-counted. */
struct grpc_channel *channel_core(const struct channel *channel);
void channel_unref(struct channel *channel);

/* Makes the first channel; fails as rpc_client_open does where the files cannot be used. */
bool channel_source_new(const char *address, const struct rpc_client_options *options,
                        struct channel_source **ret_source, struct status *st);
/* A reference to the newest channel. */
struct channel *channel_source_take(struct channel_source *source);
/* See rpc_client_reload. */
void channel_source_reload(struct channel_source *source);
/* NULL is ignored. */
void channel_source_free(struct channel_source *source);

#endif
