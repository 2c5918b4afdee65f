/* Many watch streams on one server, read by one thread; and calls beside them, on threads of their
 * own, so that what the streams cost this program does not count as the server's. Anything that
 * goes wrong ends the program. */
#ifndef BENCH_WATCH_STREAMS_H
#define BENCH_WATCH_STREAMS_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench_api.h"

#define HOST "127.0.0.1"

struct watch_stream {
    struct h2_call call;
    struct watch_streams *all;
    bool has_reached;
};

/* The opener sets the first part. */
struct watch_streams {
    const struct api *api;
    struct keys keys;
    int port;
    size_t n_connections;
    size_t n_streams;    /* in all */
    size_t per_stream;   /* watches */
    char *const *tokens; /* of callers, whose turn it is stream by stream; NULL: there are none */
    size_t n_tokens;

    struct h2 **connections;
    struct watch_stream *streams;
    /* The responses so far. */
    uint64_t started;
    uint64_t delivered; /* events */
    uint64_t wanted;
    int64_t last_ns; /* when the last of them came */
    uint64_t goal;   /* a revision, … */
    size_t reached;  /* … and how many streams have got there */
    uint64_t newest; /* revision; the header of which is: */
    uint8_t header[64];
    size_t n_header;
};

static inline uint64_t watch_streams_watches(const struct watch_streams *s)
{
    return s->n_streams * s->per_stream;
}

/* after: NULL, or a position to resume behind. Returns when they are asked for. */
void watch_streams_open(struct watch_streams *s, Confreg__V1__Position *after);
void watch_streams_close(struct watch_streams *s);
/* Reads until all watches stand. */
void watch_streams_wait_started(struct watch_streams *s);
/* … until all streams have come to the goal. */
void watch_streams_wait_reached(struct watch_streams *s);

/* n changes at once; returns when every watch has them all, with the time that took, and the time
 * that the first one's answer took. */
int64_t watch_streams_change(struct watch_streams *s, size_t n, int64_t *ret_write_ns);

/* ---- Calls beside them ---- */

#define MAX_AT_ONCE 20

struct unary {
    struct h2_call call;
    size_t *left;
    int64_t sent_ns, answered_ns;
};

typedef void unary_fn(struct h2 *connection, const struct keys *keys, struct h2_call *call);

/* n calls at once; returns when all are answered. */
void call_at_once(struct h2 *connection, unary_fn *make, const struct keys *keys,
                  struct unary *calls, size_t n);

/* Writes to the keys that are watched. */
struct writer {
    pthread_t thread;
    const struct watch_streams *streams;
    size_t n;             /* writes at once */
    atomic_bool *forever; /* NULL: once */
    int64_t sent_ns;      /* the first */
    int64_t took_ns;
};

void writer_start(struct writer *writer, const struct watch_streams *s, size_t n,
                  atomic_bool *forever);
void writer_join(struct writer *writer);

/* A reader that asks for the key again and again, and keeps the longest it had to wait. */
struct probe {
    pthread_t thread;
    const struct watch_streams *streams;
    atomic_bool stop;
    int64_t slowest_ns; /* after it has stopped */
};

void probe_start(struct probe *probe, const struct watch_streams *s);
void probe_stop(struct probe *probe);

#endif
