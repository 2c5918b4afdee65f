/* The loop of the HTTP thread: waits for sockets and time-outs, runs what has become ready, and
 * ends in order. */
#ifndef GATEWAY_LOOP_H
#define GATEWAY_LOOP_H

#include "front.h"

struct feed;

struct loop_parts {
    struct front *front;
    struct gateway *gateway;
    struct feed *feed;
};

/* Serves until stop_fd is readable. Then the gateway accepts no more, lets requests under way end
 * within grace_ms, disconnects from the server, which ends the calls that are left, and answers
 * those 503. All parts are borrowed. UNAVAILABLE where a descriptor cannot be polled. */
bool loop_run(const struct loop_parts *parts, int stop_fd, int64_t grace_ms, struct status *st);

#endif
