/* Streams of server-sent events: GET /api/watch. HTTP thread only.
 *
 * All streams read the same window of rendered notices, each with a place of its own in it. One
 * that is behind the window is brought to it by a watch of the server (catch_up.h). So an idle
 * stream costs its place, and a slow one that and what it is being sent: it can hold nobody up.
 *
 * A commit's events come together; the last of them carries the id, EPOCH:REVISION. A client that
 * was cut off within a commit gets that commit again, whole. */
#ifndef GATEWAY_STREAMS_H
#define GATEWAY_STREAMS_H

#include <sys/types.h>

#include "mirror.h"
#include "notice.h"
#include "status.h"

struct gateway;
struct request;
struct stream;
struct streams;

struct streams *streams_new(struct gateway *gateway, int64_t heartbeat_ms);
/* No stream may be open. NULL is ignored. */
void streams_free(struct streams *streams);
/* Readable while there is something for streams_run. */
int streams_fd(const struct streams *streams);
/* Watches of the server that are not over. */
size_t streams_watches(const struct streams *streams);

/* A notice has come; it is taken over. */
void streams_add(struct streams *streams, struct notice *notice);
/* Ends all streams. No new one may come. */
void streams_stop(struct streams *streams);

/* Lets streams that have something to send go on, and sends heartbeats. resume(user, request) is
 * called for a stream that was paused; so is it for one that had not begun and is answered now. */
void streams_run(struct streams *streams, void (*resume)(void *user, struct request *r),
                 void *user);
/* When the next heartbeat is due; -1: never. */
int64_t streams_next_ns(const struct streams *streams);

struct stream_start {
    const struct mirror_view *view;
    struct mirror_selector selector; /* texts are the request's */
    uint64_t position;               /* all up to it is known to the client */
    bool snapshot;                   /* the heads first, as of view; position is that of view */
};

/* A stream for a request; owned by it. Where what follows the position has to be asked of the
 * server, the request stays open until that has answered: with 200, or with why not. */
struct stream *stream_new(struct request *r, const struct stream_start *start);
/* NULL is ignored. */
void stream_free(struct stream *stream);
/* Whether the request's answer is still to come; it has to wait for it. */
bool stream_is_pending(const struct stream *stream);

/* The next bytes, up to max; 0: nothing now, the stream is paused until `resume`; -1: the end. */
ssize_t stream_read(struct stream *stream, char *bytes, size_t max);

/* Refuses: what follows the position cannot be had. */
void stream_refuse_position(struct request *r, const char *reason, const char *detail,
                            const struct mirror_view *view);

#endif
