#include "watch_streams.h"

#include <string.h>

#include "clock.h"

/* ---- What they tell ---- */

static void take_revision(struct watch_stream *stream, const struct told *told)
{
    struct watch_streams *s = stream->all;
    if (told->revision > s->newest && told->n_header <= sizeof s->header) {
        s->newest = told->revision;
        memcpy(s->header, told->header, told->n_header);
        s->n_header = told->n_header;
    }
    if (!stream->has_reached && s->goal != 0 && told->revision >= s->goal) {
        stream->has_reached = true;
        s->reached++;
        s->last_ns = clock_monotonic_ns();
    }
}

static void take_response(struct h2_call *call, const uint8_t *data, size_t n)
{
    struct watch_stream *stream = CONTAINER_OF(call, struct watch_stream, call);
    struct watch_streams *s = stream->all;
    struct told told = s->api->tell(data, n);
    take_revision(stream, &told);
    s->started += told.started * (s->api->starts_streams ? s->per_stream : 1);
    s->delivered += told.events;
    if (told.events > 0 && s->delivered >= s->wanted && s->goal == 0) {
        s->last_ns = clock_monotonic_ns();
    }
}

static void stream_ended(struct h2_call *call)
{
    (void)call;
    h2_die("a stream that ended");
}

/* ---- Their life ---- */

void watch_streams_open(struct watch_streams *s, Confreg__V1__Position *after)
{
    s->started = 0;
    s->connections = mem_array(s->n_connections, sizeof s->connections[0]);
    s->streams = mem_array(s->n_streams, sizeof s->streams[0]);
    for (size_t i = 0; i < s->n_connections; i++) {
        s->connections[i] = h2_connect(HOST, s->port);
    }
    for (size_t i = 0; i < s->n_streams; i++) {
        struct watch_stream *stream = &s->streams[i];
        *stream = (struct watch_stream){.all = s};
        stream->call.message = take_response;
        stream->call.ended = stream_ended;
        stream->call.token = s->tokens == NULL ? NULL : s->tokens[i % s->n_tokens];
        s->api->watch(s->connections[i % s->n_connections], &s->keys, s->per_stream, after,
                      &stream->call);
    }
}

void watch_streams_close(struct watch_streams *s)
{
    for (size_t i = 0; i < s->n_connections; i++) {
        h2_close(s->connections[i]);
    }
    for (size_t i = 0; i < s->n_streams; i++) {
        h2_call_fini(&s->streams[i].call);
    }
    free(MOVE(s->connections));
    free(MOVE(s->streams));
}

static bool all_started(void *user)
{
    const struct watch_streams *s = user;
    return s->started == watch_streams_watches(s);
}

static bool all_delivered(void *user)
{
    const struct watch_streams *s = user;
    return s->delivered >= s->wanted;
}

static bool all_reached(void *user)
{
    const struct watch_streams *s = user;
    return s->reached == s->n_streams;
}

void watch_streams_wait_started(struct watch_streams *s)
{
    h2_run(s->connections, s->n_connections, all_started, s);
}

void watch_streams_wait_reached(struct watch_streams *s)
{
    h2_run(s->connections, s->n_connections, all_reached, s);
}

int64_t watch_streams_change(struct watch_streams *s, size_t n, int64_t *ret_write_ns)
{
    struct writer writer;
    s->wanted = s->delivered + n * watch_streams_watches(s);
    writer_start(&writer, s, n, NULL);
    h2_run(s->connections, s->n_connections, all_delivered, s);
    writer_join(&writer);
    *ret_write_ns = writer.took_ns;
    return s->last_ns - writer.sent_ns;
}

/* ---- Calls beside them ---- */

static void ignore_answer(struct h2_call *call, const uint8_t *data, size_t n)
{
    (void)call;
    (void)data;
    (void)n;
}

static void answered(struct h2_call *call)
{
    struct unary *unary = CONTAINER_OF(call, struct unary, call);
    unary->answered_ns = clock_monotonic_ns();
    if (!call->ok) {
        h2_die("a call");
    }
    --*unary->left;
}

static bool none_left(void *user)
{
    return *(const size_t *)user == 0;
}

void call_at_once(struct h2 *connection, unary_fn *make, const struct keys *keys,
                  struct unary *calls, size_t n)
{
    size_t left = n;
    for (size_t i = 0; i < n; i++) {
        calls[i].call.message = ignore_answer;
        calls[i].call.ended = answered;
        calls[i].left = &left;
        calls[i].sent_ns = clock_monotonic_ns();
        make(connection, keys, &calls[i].call);
    }
    h2_run(&connection, 1, none_left, &left);
}

static void *run_writer(void *argument)
{
    struct writer *writer = argument;
    const struct watch_streams *s = writer->streams;
    struct unary calls[MAX_AT_ONCE] = {0};
    struct h2 *connection = h2_connect(HOST, s->port);
    do {
        call_at_once(connection, s->api->write, &s->keys, calls, writer->n);
    } while (writer->forever != NULL && atomic_load(writer->forever));
    writer->sent_ns = calls[0].sent_ns;
    writer->took_ns = calls[0].answered_ns - calls[0].sent_ns;
    h2_close(connection);
    for (size_t i = 0; i < writer->n; i++) {
        h2_call_fini(&calls[i].call);
    }
    return NULL;
}

void writer_start(struct writer *writer, const struct watch_streams *s, size_t n,
                  atomic_bool *forever)
{
    *writer = (struct writer){.streams = s, .n = n, .forever = forever};
    pthread_create(&writer->thread, NULL, run_writer, writer);
}

void writer_join(struct writer *writer)
{
    pthread_join(writer->thread, NULL);
}

static void *run_probe(void *argument)
{
    struct probe *probe = argument;
    const struct watch_streams *s = probe->streams;
    struct unary call = {0};
    struct h2 *connection = h2_connect(HOST, s->port);
    while (!atomic_load(&probe->stop)) {
        call_at_once(connection, s->api->read, &s->keys, &call, 1);
        int64_t took = call.answered_ns - call.sent_ns;
        probe->slowest_ns = took > probe->slowest_ns ? took : probe->slowest_ns;
    }
    h2_close(connection);
    h2_call_fini(&call.call);
    return NULL;
}

void probe_start(struct probe *probe, const struct watch_streams *s)
{
    *probe = (struct probe){.streams = s};
    pthread_create(&probe->thread, NULL, run_probe, probe);
}

void probe_stop(struct probe *probe)
{
    atomic_store(&probe->stop, true);
    pthread_join(probe->thread, NULL);
}
