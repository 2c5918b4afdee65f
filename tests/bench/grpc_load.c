/* Calls one gRPC method with many requests in turn: `bench_grpc_load HOST PORT /SERVICE/METHOD
 * REQUESTS-FILE CONNECTIONS STREAMS CALLS`. The file holds framed messages, which are sent in a
 * random order that is the same in every run. Prints what came of it as JSON.
 *
 * Beside a general load tool: requests differ, so that a server does not answer out of its
 * caches alone; and every grpc-status is looked at. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define WINDOW (1 << 30)
#define MAX_CONNECTIONS 1024

struct load {
    const char *authority, *path;
    uint8_t *bodies; /* framed messages, one behind the other */
    size_t *offsets; /* n_bodies + 1 of them */
    size_t n_bodies;
    uint64_t random;
    size_t calls, started, ended, failed;
    uint64_t bytes;
    uint32_t *latencies_us; /* of the calls that have ended */
};

struct connection {
    struct load *load;
    nghttp2_session *session;
    int fd;
    const uint8_t *unsent;
    size_t n_unsent;
};

struct call {
    int64_t begun_ns;
    const uint8_t *body;
    size_t n_body;
    bool ok;
};

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "bench_grpc_load: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(EXIT_FAILURE);
}

/* ---- Requests ---- */

static void read_bodies(struct load *load, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        die(path);
    }
    size_t size = (size_t)ftell(file);
    rewind(file);
    load->bodies = mem_alloc(size);
    if (fread(load->bodies, 1, size, file) != size) {
        die(path);
    }
    fclose(file);
    load->offsets = mem_array(size / 5 + 1, sizeof load->offsets[0]);
    for (size_t at = 0; at + 5 <= size;) {
        uint32_t n;
        memcpy(&n, load->bodies + at + 1, sizeof n);
        at += 5 + ntohl(n);
        load->offsets[++load->n_bodies] = at;
    }
}

static size_t draw(struct load *load)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random % load->n_bodies;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
    (void)session;
    (void)id;
    (void)user;
    size_t n = call->n_body < room ? call->n_body : room;
    memcpy(to, call->body, n);
    call->body += n;
    call->n_body -= n;
    if (call->n_body == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void begin_call(struct connection *c)
{
    struct load *load = c->load;
    const nghttp2_nv headers[] = {
        header(":method", "POST"),   header(":scheme", "http"),
        header(":path", load->path), header(":authority", load->authority),
        header("te", "trailers"),    header("content-type", "application/grpc"),
    };
    size_t which = draw(load);
    struct call *call = mem_zalloc(sizeof *call);
    call->begun_ns = clock_monotonic_ns();
    call->body = load->bodies + load->offsets[which];
    call->n_body = load->offsets[which + 1] - load->offsets[which];
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    if (nghttp2_submit_request(c->session, NULL, headers, COUNT_OF(headers), &body, call) < 0) {
        die("a request");
    }
    load->started++;
}

/* ---- Answers ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    static const char wanted[] = "grpc-status";
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (call != NULL && n_name == sizeof wanted - 1 && memcmp(name, wanted, n_name) == 0) {
        call->ok = n_value == 1 && value[0] == '0';
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *user)
{
    struct connection *c = user;
    (void)session;
    (void)flags;
    (void)id;
    (void)data;
    c->load->bytes += n;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct connection *c = user;
    struct load *load = c->load;
    struct call *call = nghttp2_session_get_stream_user_data(session, id);
    load->failed += error != 0 || !call->ok;
    load->latencies_us[load->ended++] = (uint32_t)((clock_monotonic_ns() - call->begun_ns) / 1000);
    free(call);
    if (load->started < load->calls) {
        begin_call(c);
    }
    return 0;
}

/* ---- Connections ---- */

static nghttp2_session *new_session(struct connection *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    return session;
}

static void connect_to(struct connection *c, const char *host, const char *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &name.sin_addr) != 1 || c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        die(host);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->session = new_session(c);
}

static void send_what_waits(struct connection *c)
{
    for (;;) {
        if (c->n_unsent == 0) {
            ssize_t n = nghttp2_session_mem_send(c->session, &c->unsent);
            if (n <= 0) {
                return;
            }
            c->n_unsent = (size_t)n;
        }
        ssize_t n = write(c->fd, c->unsent, c->n_unsent);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            die("sending");
        }
        c->unsent += n;
        c->n_unsent -= (size_t)n;
    }
}

static void receive(struct connection *c)
{
    static uint8_t bytes[1 << 17];
    ssize_t n = read(c->fd, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        die("receiving");
    }
    if (n > 0 && nghttp2_session_mem_recv(c->session, bytes, (size_t)n) < 0) {
        die("an answer");
    }
}

static void run(struct load *load, struct connection *connections, size_t n)
{
    struct pollfd polls[MAX_CONNECTIONS];
    while (load->ended < load->calls) {
        for (size_t i = 0; i < n; i++) {
            send_what_waits(&connections[i]);
            bool waits = connections[i].n_unsent > 0;
            polls[i] = (struct pollfd){.fd = connections[i].fd,
                                       .events = (short)(waits ? POLLIN | POLLOUT : POLLIN)};
        }
        if (poll(polls, n, 30000) <= 0) {
            die("waiting for answers");
        }
        for (size_t i = 0; i < n; i++) {
            if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                receive(&connections[i]);
            }
        }
    }
}

/* ---- The end ---- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(const struct load *load, int64_t took_ns)
{
    uint32_t *us = load->latencies_us;
    size_t n = load->calls;
    qsort(us, n, sizeof us[0], by_size);
    printf("{\"calls\": %zu, \"failed\": %zu, \"bytes\": %llu, \"seconds\": %.6f, "
           "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
           n, load->failed, (unsigned long long)load->bytes, (double)took_ns / 1e9, us[n / 2],
           us[n - 1 - n / 100], us[n - 1]);
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fputs("usage: bench_grpc_load HOST PORT /SERVICE/METHOD REQUESTS-FILE CONNECTIONS STREAMS "
              "CALLS\n",
              stderr);
        return 2;
    }
    size_t n = strtoul(argv[5], NULL, 10);
    size_t streams = strtoul(argv[6], NULL, 10);
    struct load load = {.authority = argv[1],
                        .path = argv[3],
                        .random = 0x9e3779b97f4a7c15u,
                        .calls = strtoul(argv[7], NULL, 10)};
    if (n == 0 || n > MAX_CONNECTIONS || n * streams == 0 || load.calls < n * streams) {
        fputs("bench_grpc_load: fewer calls than streams, or too many connections\n", stderr);
        return 2;
    }
    read_bodies(&load, argv[4]);
    load.latencies_us = mem_array(load.calls, sizeof load.latencies_us[0]);
    struct connection *connections = mem_array(n, sizeof connections[0]);
    for (size_t i = 0; i < n; i++) {
        connections[i].load = &load;
        connect_to(&connections[i], argv[1], argv[2]);
    }
    int64_t begun = clock_monotonic_ns();
    for (size_t i = 0; i < n * streams; i++) {
        begin_call(&connections[i % n]);
    }
    run(&load, connections, n);
    report(&load, clock_monotonic_ns() - begun);
    for (size_t i = 0; i < n; i++) {
        nghttp2_session_del(connections[i].session);
        close(connections[i].fd);
    }
    free(connections);
    free(load.latencies_us);
    free(load.offsets);
    free(load.bodies);
    return load.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
