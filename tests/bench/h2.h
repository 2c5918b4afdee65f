/* gRPC calls over HTTP/2 connections for programs that measure: one thread, many connections, no
 * work but what the protocol asks for. Anything that goes wrong ends the program. */
#ifndef BENCH_H2_H
#define BENCH_H2_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct h2; /* a connection */

/* A call, embedded in its caller's object. The caller sets the first part. */
struct h2_call {
    void (*message)(struct h2_call *call, const uint8_t *data, size_t n);
    void (*ended)(struct h2_call *call); /* may be NULL */
    bool stays_open;                     /* what was asked is not said to be all */
    const char *token;                   /* borrowed until the call is made; NULL: none */

    bool ok; /* ended with grpc-status 0 */
    struct str request;
    size_t sent;
    struct str partial; /* of an answer that has not arrived as a whole */
};

struct h2 *h2_connect(const char *host, int port);
/* Calls that are open are forgotten; `ended` does not come. */
void h2_close(struct h2 *connection);
/* The request is encoded at once; it leaves with the next h2_run. */
void h2_call(struct h2 *connection, const char *path, const ProtobufCMessage *request,
             struct h2_call *call);
/* Asks for more on a call, before the next h2_run. */
void h2_add(struct h2_call *call, const ProtobufCMessage *request);
/* Gives back what a call holds that has ended or was forgotten. */
void h2_call_fini(struct h2_call *call);

/* Sends and receives on all connections until done() is true. Ends the program where nothing
 * arrives for 30 s. */
void h2_run(struct h2 *const *connections, size_t n, bool (*done)(void *user), void *user);

/* Prints what failed, with the system's error if there is one, and ends the program. */
__attribute__((noreturn)) void h2_die(const char *what);

#endif
