/* Streams of server-sent events: GET /api/watch. HTTP thread only.
 *
 * - All streams read one window of the newest events (sse_window.h), each at its own position. A
 *   stream whose position has left the window is fed by a watch of the server (sse_catch_up.h)
 * until it has reached the window again. So a slow reader delays no other stream, and costs only
 * its position and the text that it is being sent.
 * - A stream that has sent everything is paused and listens in an index (sse_index.h): an event
 *   wakes the streams that select it and touches no other.
 * - A stream shows what its caller may read. His rights are asked for again and again while it is
 *   open: it waits while they are not known, follows them where they change, and ends if the server
 *   does not know the caller any more.
 * - The events of a commit are sent together. The last of them carries the id (etag.h), so a client
 *   that was disconnected within a commit receives the whole commit again. Its rights are those
 * with which the stream began: a client whose rights have changed since is refused when it resumes.
 */
#ifndef GATEWAY_SSE_STREAMS_H
#define GATEWAY_SSE_STREAMS_H

#include <sys/types.h>

#include "mirror.h"
#include "request.h"
#include "sse_event.h"

struct identity;
struct upstream;
struct sse_streams;

struct sse_streams *sse_streams_new(struct upstream *upstream, int64_t heartbeat_ms);
/* No stream may be open. NULL is ignored. */
void sse_streams_free(struct sse_streams *streams);
/* Readable while sse_streams_run has something to do. */
int sse_streams_fd(const struct sse_streams *streams);
/* How many watches of the server have not ended. */
size_t sse_streams_watches(const struct sse_streams *streams);

/* Adds an event to the window, and wakes the streams that select it. The event is moved. */
void sse_streams_add(struct sse_streams *streams, struct sse_event *event);
/* The rights of an identity are known anew. */
void sse_streams_follow_rights(struct sse_streams *streams, const struct identity *identity);
/* Ends all streams. None may be started afterwards. */
void sse_streams_stop(struct sse_streams *streams);

/* Resumes streams that have something to send, sends heartbeats, and answers requests whose stream
 * waited for the server. */
void sse_streams_run(struct sse_streams *streams, request_resume *resume, void *user);
/* When the next heartbeat is due; -1: never. */
int64_t sse_streams_next_ns(const struct sse_streams *streams);

struct sse_counts {
    uint64_t open;    /* streams */
    uint64_t sent;    /* events, snapshots included */
    uint64_t visited; /* streams that were looked at because of an event, for each event */
};
/* Since the process began. Any thread. */
void sse_streams_count(const struct sse_streams *streams, struct sse_counts *ret_counts);

struct sse_stream_start {
    const struct mirror_view *view;
    struct mirror_selector selector; /* texts are the request's */
    uint64_t position;               /* all up to it is known to the client */
    bool snapshot;                   /* the heads first, as of view; position is that of view */
};

/* Makes the request's answer a stream, which is pulled (response.pull) and ends with the request.
 * If the server must be asked for what follows the position, the request is suspended until the
 * server has answered: with 200, or with the reason why not. */
void sse_stream_start(struct request *r, const struct sse_stream_start *start);

/* Answers 410: the events after the position are not available, for the reason in st. The error
 * also has the epoch and revision of view. */
void sse_stream_refuse_position(struct request *r, const struct status *st,
                                const struct mirror_view *view);

#endif
