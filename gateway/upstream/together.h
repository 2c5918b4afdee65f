/* Writes that share one WriteConfigs call, each with its own outcome.
 *
 * They were started in the same turn of the loop, so no write waits for others to arrive, and are
 * on behalf of the same caller at the same host, with the same traceparent. HTTP thread; the
 * response is taken on the client's thread. */
#ifndef GATEWAY_TOGETHER_H
#define GATEWAY_TOGETHER_H

#include "calls.h"

#define TOGETHER_WRITES 128
/* Of the requests. The response is about as large, so it stays below the limit above which the
 * server omits payloads. */
#define TOGETHER_BYTES (2u << 20)

struct together;

/* Whether it is a write whose answer is about as large as the request. */
bool together_takes(enum registry_method method, const ProtobufCMessage *message);

/* Whether its writes are of the same caller and trace as a call. */
bool together_is_of(const struct together *together, const struct upstream_call *call);

/* Adds a call with its write; makes *together if it is NULL. False: it is full. */
bool together_add(struct together **together, struct registry_client *client,
                  struct upstream_call *call);

/* Sends the call, and hands the writes over when it has ended. together is moved. A single write is
 * sent by its own method, with `done`; so are all of them if the server refuses the whole call. */
void together_send(struct together *together, registry_client_done *done);

#endif
