/* Calls of a client: with retries until their deadline, from one address to the next. */
#ifndef LIB_CLIENT_CALL_H
#define LIB_CLIENT_CALL_H

#include "client.h"

/* The end of a call, exactly one of response and st is NULL. response is moved; st is borrowed. On
 * a thread of the client that must not be kept, or, where the client is being freed, on the
 * caller's. */
typedef void call_finished(void *user, ProtobufCMessage *response, const struct status *st);

/* Starts a call. request, of the method's type, is moved. Where it has a field request_id that is
 * empty, one is made, and the client's author stands where created_by is empty. timeout_ms 0: that
 * of the client. Does not block. */
void call_start(struct confreg_client *client, enum registry_method method,
                ProtobufCMessage *request, int64_t timeout_ms, call_finished *finished, void *user);
/* The same, and waits for the response, which is the caller's. NULL: it has failed. */
ProtobufCMessage *call_wait(struct confreg_client *client, enum registry_method method,
                            ProtobufCMessage *request, int64_t timeout_ms,
                            struct confreg_error *error);

/* Ends the calls that are between two tries. Not on the thread of client->registry; client->closing
 * has been set. */
void calls_end_pauses(struct confreg_client *client);

#endif
