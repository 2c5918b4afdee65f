#include "h2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW ((1 << 30) - 1)
#define PREFIX 5 /* of a message: compressed or not, its length */

struct h2 {
    nghttp2_session *session;
    int fd;
    const uint8_t *unsent;
    size_t n_unsent;
};

void h2_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(EXIT_FAILURE);
}

/* ---- What a call sends ---- */

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_call *call = source->ptr;
    size_t left = call->request.len - call->sent;
    size_t n = left < room ? left : room;
    (void)session;
    (void)id;
    (void)user;
    if (left == 0 && call->stays_open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    memcpy(to, call->request.data + call->sent, n);
    call->sent += n;
    if (n == left && !call->stays_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static void encode(struct str *out, const ProtobufCMessage *message)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *prefix = (uint8_t *)str_extend(out, PREFIX + n);
    uint32_t length = htonl((uint32_t)n);
    prefix[0] = 0;
    memcpy(prefix + 1, &length, sizeof length);
    protobuf_c_message_pack(message, prefix + PREFIX);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

void h2_call(struct h2 *connection, const char *path, const ProtobufCMessage *request,
             struct h2_call *call)
{
    AUTO_STR bearer = {0};
    if (call->token != NULL) {
        str_addf(&bearer, "Bearer %s", call->token);
    }
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", path),
        header(":authority", "bench"),
        header("te", "trailers"),
        header("content-type", "application/grpc"),
        header("authorization", str_text(&bearer)),
    };
    size_t n_headers = COUNT_OF(headers) - (call->token == NULL);
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_request};
    call->sent = 0;
    call->ok = false;
    str_clear(&call->request);
    encode(&call->request, request);
    if (nghttp2_submit_request(connection->session, NULL, headers, n_headers, &body, call) < 0) {
        h2_die("a request");
    }
}

void h2_add(struct h2_call *call, const ProtobufCMessage *request)
{
    encode(&call->request, request);
}

void h2_call_fini(struct h2_call *call)
{
    str_fini(&call->request);
    str_fini(&call->partial);
}

/* ---- What comes back ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    static const char wanted[] = "grpc-status";
    struct h2_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (call != NULL && n_name == sizeof wanted - 1 && memcmp(name, wanted, n_name) == 0) {
        call->ok = n_value == 1 && value[0] == '0';
    }
    return 0;
}

/* The whole messages in data; returns how many bytes they take. */
static size_t take_messages(struct h2_call *call, const uint8_t *data, size_t n)
{
    size_t at = 0;
    while (n - at >= PREFIX) {
        uint32_t length;
        memcpy(&length, data + at + 1, sizeof length);
        length = ntohl(length);
        if (n - at - PREFIX < length) {
            break;
        }
        call->message(call, data + at + PREFIX, length);
        at += PREFIX + length;
    }
    return at;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *user)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)user;
    if (call == NULL) {
        return 0;
    }
    if (call->partial.len > 0) {
        str_add(&call->partial, data, n);
        data = (const uint8_t *)call->partial.data;
        n = call->partial.len;
    }
    size_t taken = take_messages(call, data, n);
    if (call->partial.len == 0) {
        str_add(&call->partial, data + taken, n - taken);
    } else {
        memmove(call->partial.data, call->partial.data + taken, n - taken);
        str_truncate(&call->partial, n - taken);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)user;
    if (call != NULL && call->ended != NULL) {
        call->ok = call->ok && error == 0;
        call->ended(call);
    }
    return 0;
}

/* ---- Connections ---- */

static nghttp2_session *new_session(struct h2 *connection)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    return session;
}

struct h2 *h2_connect(const char *host, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct h2 *connection = mem_zalloc(sizeof *connection);
    int on = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &name.sin_addr) != 1 || connection->fd < 0 ||
        connect(connection->fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        h2_die(host);
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->session = new_session(connection);
    return connection;
}

void h2_close(struct h2 *connection)
{
    nghttp2_session_del(connection->session);
    close(connection->fd);
    free(connection);
}

static void send_what_waits(struct h2 *connection)
{
    for (;;) {
        if (connection->n_unsent == 0) {
            ssize_t n = nghttp2_session_mem_send(connection->session, &connection->unsent);
            if (n <= 0) {
                return;
            }
            connection->n_unsent = (size_t)n;
        }
        ssize_t n = write(connection->fd, connection->unsent, connection->n_unsent);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            h2_die("sending");
        }
        connection->unsent += n;
        connection->n_unsent -= (size_t)n;
    }
}

static void receive(struct h2 *connection)
{
    uint8_t bytes[1 << 16];
    ssize_t n = read(connection->fd, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        h2_die("receiving");
    }
    if (n > 0 && nghttp2_session_mem_recv(connection->session, bytes, (size_t)n) < 0) {
        h2_die("an answer");
    }
}

void h2_run(struct h2 *const *connections, size_t n, bool (*done)(void *user), void *user)
{
    struct pollfd *polls = mem_array(n, sizeof polls[0]);
    while (!done(user)) {
        for (size_t i = 0; i < n; i++) {
            send_what_waits(connections[i]);
            bool waits = connections[i]->n_unsent > 0;
            polls[i] = (struct pollfd){.fd = connections[i]->fd,
                                       .events = (short)(waits ? POLLIN | POLLOUT : POLLIN)};
        }
        if (poll(polls, n, 30000) <= 0) {
            h2_die("waiting for answers");
        }
        for (size_t i = 0; i < n; i++) {
            if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                receive(connections[i]);
            }
        }
    }
    free(polls);
}
