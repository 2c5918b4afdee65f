/* What clients send, looked at on its way into the gRPC core.
 *
 * A client that opens calls and takes them back at once ("rapid reset", CVE-2023-44487) spends some
 * 40 bytes on each. The core (1.51) makes a call of 13 KiB of it, counts it no longer against the
 * connection's streams, and reads on as long as there is something to read: memory and threads are
 * the client's. It has no limit for that, and shows no frame to its users. So a connection is cut
 * here once it took back too many young calls, and what was read with the last of them never
 * reaches the core.
 *
 * The core reads its sockets with recvmsg(2), and takes the function of that name that the program
 * has; that is the one in inflow.c. For all sockets but those that are watched it is the system's.
 *
 * Watched are connections in plain text. A client may take back INFLOW_RESETS young calls at once
 * and INFLOW_RESETS_A_SECOND from then on. Calls that are older than two seconds, as watches are,
 * may all be taken back together; what the core holds of those is bounded by how many may be open.
 */
#ifndef RPC_INFLOW_H
#define RPC_INFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics.h"

#define INFLOW_RESETS 1000
#define INFLOW_RESETS_A_SECOND 200

#define INFLOW_FRAME_HEADER 9 /* bytes, RFC 9113, 4.1 */

/* The frames of one connection. */
struct inflow {
    size_t to_skip; /* bytes, until the next frame's header */
    uint8_t header[INFLOW_FRAME_HEADER];
    size_t n_header;
    uint32_t newest;         /* stream that was opened */
    uint32_t newest_at_mark; /* the same at marked_ns */
    uint32_t settled;        /* streams up to this one are not young */
    int64_t marked_ns;
    uint64_t resets_left;
    int64_t refilled_ns;
};
/* A connection of which nothing was read yet. Times are of clock_monotonic_ns(). */
void inflow_init(struct inflow *inflow, int64_t now_ns);
/* Takes what was read next. False where the connection is to be cut. */
bool inflow_take(struct inflow *inflow, const void *bytes, size_t n, int64_t now_ns);

/* Watches the socket, which nobody has read from; that it was cut is counted in *cuts, which must
 * stay until inflow_forget. Any thread, as all here. */
void inflow_watch(int fd, struct metric *cuts);
/* Watches no more what counts there. */
void inflow_forget(const struct metric *cuts);

#endif
