#include "loop.h"

#include <errno.h>
#include <string.h>

#include "calls.h"
#include "clock.h"
#include "feed.h"
#include "http_server.h"
#include "identities.h"
#include "sse_streams.h"
#include "upstream.h"
#include "waits.h"
#include "worker.h"

/* Time to send the last answers at the end. */
#define FAREWELL_MS 1000

/* Descriptors besides connections that wake the loop. */
enum source {
    SOURCE_STOP,
    SOURCE_CALLS,
    SOURCE_FEED,
    SOURCE_STREAMS,
    SOURCE_WORKER,
    SOURCE_IDENTITIES,
    N_SOURCES
};

struct loop {
    struct front *front;
    struct http_server *server;
    struct http_watched sources[N_SOURCES];
    struct upstream *upstream;
    struct feed *feed;
    struct sse_streams *streams;
    struct worker *worker;
};

static bool watch(struct loop *loop, enum source source, int fd, struct status *st)
{
    loop->sources[source].fd = fd;
    return http_server_watch(loop->server, &loop->sources[source]) ||
           status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE", "cannot poll: %s",
                      strerror(errno));
}

static void rights_changed(void *user, const struct identity *identity)
{
    sse_streams_follow_rights(user, identity);
}

/* Waits for events, at most until until_ns (-1: no limit), and handles them. */
static void turn(struct loop *loop, int64_t until_ns)
{
    struct upstream *upstream = loop->upstream;
    until_ns = clock_earlier(until_ns, waits_next_ns(upstream->waits));
    until_ns = clock_earlier(until_ns, sse_streams_next_ns(loop->streams));
    until_ns = clock_earlier(until_ns, identities_next_ns(upstream->identities));
    until_ns = clock_earlier(until_ns, front_next_ns(loop->front));
    http_server_poll(loop->server, until_ns);
    identities_run(upstream->identities, rights_changed, loop->streams);
    calls_run(upstream->calls, front_resume, NULL);
    feed_run(loop->feed, upstream, loop->streams);
    waits_run(upstream->waits, front_resume, NULL);
    sse_streams_run(loop->streams, front_resume, NULL);
    worker_run(loop->worker, front_resume, NULL);
    front_run(loop->front);
    http_server_run(loop->server);
    calls_flush(upstream->calls);
}

static void turn_until_idle(struct loop *loop, int64_t patience_ms)
{
    int64_t until_ns = clock_monotonic_ns() + patience_ms * 1000000;
    while (!http_server_is_idle(loop->server) && clock_monotonic_ns() < until_ns) {
        turn(loop, until_ns);
    }
}

/* For use after upstream_disconnect, which ends all calls and watches. */
static void turn_until_none_is_suspended(struct loop *loop)
{
    while (front_suspended(loop->front) > 0 || sse_streams_watches(loop->streams) > 0) {
        turn(loop, clock_monotonic_ns());
    }
}

static void stop(struct loop *loop, int64_t grace_ms)
{
    loop->upstream->stopping = true;
    waits_all_changed(loop->upstream->waits); /* long polls end now */
    sse_streams_stop(loop->streams);
    front_stop(loop->front);
    turn_until_idle(loop, grace_ms);
    front_refuse(loop->front);
    upstream_disconnect(loop->upstream);
    waits_all_changed(loop->upstream->waits);
    turn_until_none_is_suspended(loop);
    turn_until_idle(loop, FAREWELL_MS);
    turn_until_none_is_suspended(loop); /* a page that was asked for in the last turn */
}

bool loop_run(const struct loop_parts *parts, int stop_fd, int64_t grace_ms, struct status *st)
{
    struct loop loop = {
        .front = parts->front,
        .server = front_server(parts->front),
        .upstream = parts->gateway->upstream,
        .feed = parts->feed,
        .streams = parts->gateway->streams,
        .worker = parts->gateway->worker,
    };
    if (!watch(&loop, SOURCE_STOP, stop_fd, st) ||
        !watch(&loop, SOURCE_CALLS, calls_fd(loop.upstream->calls), st) ||
        !watch(&loop, SOURCE_FEED, feed_fd(loop.feed), st) ||
        !watch(&loop, SOURCE_STREAMS, sse_streams_fd(loop.streams), st) ||
        !watch(&loop, SOURCE_WORKER, worker_fd(loop.worker), st) ||
        !watch(&loop, SOURCE_IDENTITIES, identities_fd(loop.upstream->identities), st)) {
        return false;
    }
    while (!loop.sources[SOURCE_STOP].is_readable) {
        turn(&loop, -1);
    }
    http_server_unwatch(loop.server, &loop.sources[SOURCE_STOP]);
    stop(&loop, grace_ms);
    for (size_t i = SOURCE_STOP + 1; i < N_SOURCES; i++) {
        http_server_unwatch(loop.server, &loop.sources[i]);
    }
    return true;
}
