/* Writes that travel in one call, each with its own outcome.
 *
 * They are those of one turn of the loop: nothing waits for others to come. They are of one caller
 * in the server's eyes, the gateway; were callers' credentials passed on, only writes of the same
 * caller could travel together. HTTP thread, but for the answer, which comes on the client's. */
#ifndef GATEWAY_TOGETHER_H
#define GATEWAY_TOGETHER_H

#include "calls.h"

#define TOGETHER_WRITES 128
/* Of requests. Answers are no larger but for what the server adds to a config, and so stay under
 * the limit above which it would leave payloads out. */
#define TOGETHER_BYTES (2u << 20)

struct together;

/* Whether it is a write whose answer is about as large as the request. */
bool together_takes(enum registry_method method, const ProtobufCMessage *message);

/* Adds a call with its write; *together is made where it is NULL. False where it is full. */
bool together_add(struct together **together, struct registry_client *client, struct call *call);

/* Sends them, and hands them over when they are answered; the object is consumed. One alone goes
 * by its own method, with `done`, as do all where the server refuses the call as a whole. */
void together_send(struct together *together, registry_client_done *done);

#endif
