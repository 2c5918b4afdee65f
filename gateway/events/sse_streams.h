/* Streams of server-sent events: GET /api/watch. HTTP thread only.
 *
 * All streams read the same window of rendered events, each with a place of its own in it. One
 * that is behind the window is brought to it by a watch of the server (catch_up.h). So an idle
 * stream costs its place, and a slow one that and what it is being sent: it can hold nobody up.
 *
 * A commit's events come together; the last of them carries the id, EPOCH:REVISION. A client that
 * was cut off within a commit gets that commit again, whole. */
#ifndef GATEWAY_SSE_STREAMS_H
#define GATEWAY_SSE_STREAMS_H

#include <sys/types.h>

#include "mirror.h"
#include "request.h"
#include "sse_event.h"

struct upstream;
struct sse_streams;

struct sse_streams *sse_streams_new(struct upstream *upstream, int64_t heartbeat_ms);
/* No stream may be open. NULL is ignored. */
void sse_streams_free(struct sse_streams *streams);
/* Readable while there is something for sse_streams_run. */
int sse_streams_fd(const struct sse_streams *streams);
/* Watches of the server that are not over. */
size_t sse_streams_watches(const struct sse_streams *streams);

/* An event has come; it is taken over. */
void sse_streams_add(struct sse_streams *streams, struct sse_event *event);
/* Ends all streams. No new one may come. */
void sse_streams_stop(struct sse_streams *streams);

/* Lets streams that have something to send go on, and sends heartbeats. resume is called for a
 * stream that was paused, and for one that had not begun and is answered now. */
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

/* Refuses: what follows the position cannot be had. */
void sse_stream_refuse_position(struct request *r, const char *reason, const char *detail,
                                const struct mirror_view *view);

#endif
