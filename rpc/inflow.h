/* Protects the gRPC core from clients that use up its memory, by inspecting what they send. The
 * core (1.51) has no limit for any of this and does not expose frames.
 *
 * 1. "Rapid reset" (CVE-2023-44487): a client that opens calls and cancels them at once spends
 *    about 40 bytes on each. For each the core allocates a call of 13 KiB, no longer counts it as
 *    an open stream, and reads on as long as there is input. So a connection is cut once it has
 *    reset too many young calls. A client may reset INFLOW_RESETS young calls at once (a token
 *    bucket), refilled at INFLOW_RESETS_A_SECOND. Calls older than two seconds, such as watches,
 *    may all be reset together, because the number of open calls bounds them.
 * 2. Requests that are begun and not finished: the core keeps what it has of each until it is
 *    complete, and nobody has seen it by then, so nobody has checked who sends it. All connections
 *    together may have INFLOW_UNFINISHED bytes of them. Beyond that those are cut that have more of
 *    it, for longer, than the average: bytes times age. One connection may have INFLOW_PARTS such
 *    requests.
 *
 * The bytes that were read last from a connection that is cut never reach the core.
 *
 * How: socket_calls.c sees what the core reads, behind TLS where there is TLS, and asks here. */
#ifndef RPC_INFLOW_H
#define RPC_INFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics.h"

#define INFLOW_RESETS 1000
#define INFLOW_RESETS_A_SECOND 200
#define INFLOW_UNFINISHED (UINT64_C(256) << 20)
#define INFLOW_PARTS 2048

#define INFLOW_FRAME_HEADER 9 /* bytes, RFC 9113, 4.1 */

/* A request of which a part was read. One that the server has refused before its end stays here;
 * its client has mostly ended it by then. */
struct inflow_part {
    uint32_t stream;
    uint64_t bytes;
};

/* The HTTP/2 frames of one connection. */
struct inflow {
    size_t to_skip; /* bytes until the next frame header */
    uint8_t header[INFLOW_FRAME_HEADER];
    size_t n_header;
    uint32_t newest;         /* the newest stream that was opened */
    uint32_t newest_at_mark; /* `newest` at marked_ns */
    uint32_t settled;        /* streams up to this one are not young */
    int64_t marked_ns;
    uint64_t resets_left;
    int64_t refilled_ns;
    struct inflow_part *parts; /* owned; by rising stream */
    size_t n_parts, room;
    uint64_t unfinished; /* bytes of them all */
    int64_t since_ns;    /* since when there are some */
};
/* A new connection, of which nothing was read. Times are of clock_monotonic_ns(). */
void inflow_init(struct inflow *inflow, int64_t now_ns);
void inflow_fini(struct inflow *inflow);
/* Inspects the next bytes that were read. False: the connection has to be cut. */
bool inflow_take(struct inflow *inflow, const void *bytes, size_t n, int64_t now_ns);

/* Watches a socket from which nothing was read yet. If it is cut, *cuts is incremented; it must
 * live until inflow_forget. Any thread, like all functions here. */
void inflow_watch(int fd, struct metric *cuts);
/* From now on the core gets nothing more of what arrives at the sockets that count in *cuts: it is
 * discarded. Only the end of a connection reaches the core. */
void inflow_withhold(const struct metric *cuts);
/* Stops watching all sockets that count in *cuts. */
void inflow_forget(const struct metric *cuts);
/* The descriptor is about to be closed; it may be that of anything. Takes no lock unless it is that
 * of a socket that was watched. */
void inflow_closed(int fd);
/* Bytes of requests that are not finished, of all connections. */
uint64_t inflow_unfinished(void);

/* The fate of bytes that were read for the core. */
enum inflow_verdict {
    INFLOW_PASS,
    INFLOW_DISCARD, /* the core must not get them */
    INFLOW_CUT,     /* nor them, and the connection is to be cut */
};
struct msghdr;
/* Inspects n bytes that were read from fd into the message's parts. */
enum inflow_verdict inflow_inspect(int fd, const struct msghdr *message, size_t n);

#endif
