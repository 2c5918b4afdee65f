#include "amqp_link.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "mem.h"

#define FRAME_BYTES 131072
#define REPLY_TEXT_BYTES 200
#define SILENCE_S 60 /* without heartbeats: when TCP gives up a silent host */

static struct timeval time_of(const struct amqp_address *address)
{
    int ms = address->connection_timeout_ms;
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

void amqp_link_init(struct amqp_link *link, const struct amqp_address *address, const char *name)
{
    *link = (struct amqp_link){.address = address, .name = name, .fd = -1};
    pthread_mutex_init(&link->lock, NULL);
}

/* ---- What went wrong ---- */

static bool fault(const struct amqp_link *link, const char *doing, const char *what,
                  struct status *st)
{
    const struct amqp_host *host = &link->address->hosts[link->host];
    return status_set(st, STATUS_UNAVAILABLE, "BUS_UNAVAILABLE", "%s:%d, %s: %s", host->name,
                      host->port, doing, what);
}

static bool refusal(const struct amqp_link *link, const char *doing, amqp_bytes_t said,
                    struct status *st)
{
    char text[REPLY_TEXT_BYTES];
    int n = said.len < sizeof text ? (int)said.len : (int)sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", n, (const char *)said.bytes);
    return fault(link, doing, text, st);
}

/* RabbitMQ reports only the first argument that differs, as text, and compares the alternate
 * exchange last. So this text means that everything else is equal. */
static enum amqp_refusal refusal_of(const amqp_channel_close_t *m)
{
    static const char alternate[] = "inequivalent arg 'alternate-exchange'";
    if (m->reply_code == AMQP_RESOURCE_LOCKED) {
        return AMQP_LOCKED;
    }
    bool differs =
        m->reply_code == AMQP_PRECONDITION_FAILED &&
        memmem(m->reply_text.bytes, m->reply_text.len, alternate, sizeof alternate - 1) != NULL;
    return differs ? AMQP_OTHER_ALTERNATE : AMQP_REFUSED;
}

/* Handles a close of the channel or the connection by the broker, and acknowledges it. */
static bool closed(struct amqp_link *link, const amqp_method_t *method, const char *doing,
                   enum amqp_refusal *ret_refusal, struct status *st)
{
    link->channel_open = false;
    if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *m = method->decoded;
        amqp_channel_close_ok_t answer = {0};
        *ret_refusal = refusal_of(m);
        refusal(link, doing, m->reply_text, st);
        amqp_send_method(link->connection, AMQP_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer);
        return false;
    }
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *m = method->decoded;
        amqp_connection_close_ok_t answer = {0};
        refusal(link, doing, m->reply_text, st);
        amqp_send_method(link->connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &answer);
        return false;
    }
    return fault(link, doing, "an answer of another kind", st);
}

static bool check(struct amqp_link *link, const amqp_rpc_reply_t *reply, const char *doing,
                  enum amqp_refusal *ret_refusal, struct status *st)
{
    *ret_refusal = AMQP_NOT_REFUSED;
    switch (reply->reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return true;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return closed(link, &reply->reply, doing, ret_refusal, st);
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        return fault(link, doing, amqp_error_string2(reply->library_error), st);
    case AMQP_RESPONSE_NONE:
        break;
    }
    return fault(link, doing, "no answer", st);
}

bool amqp_link_check(struct amqp_link *link, const char *doing, enum amqp_refusal *ret_refusal,
                     struct status *st)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->connection);
    return check(link, &reply, doing, ret_refusal, st);
}

bool amqp_link_sent(const struct amqp_link *link, int result, const char *doing, struct status *st)
{
    return result == AMQP_STATUS_OK || fault(link, doing, amqp_error_string2(result), st);
}

/* ---- Opening ---- */

static bool set_up_tls(const struct amqp_link *link, amqp_socket_t *socket, struct status *st)
{
    const struct amqp_address *address = link->address;
    amqp_ssl_socket_set_verify_peer(socket, !address->trust_anyone);
    amqp_ssl_socket_set_verify_hostname(socket, !address->trust_anyone);
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    if (address->ca_file == NULL) {
        SSL_CTX_set_default_verify_paths(amqp_ssl_socket_get_context(socket));
    } else if (amqp_ssl_socket_set_cacert(socket, address->ca_file) != AMQP_STATUS_OK) {
        return fault(link, "reading cacertfile", address->ca_file, st);
    }
    if (address->certificate_file != NULL &&
        amqp_ssl_socket_set_key(socket, address->certificate_file, address->key_file) !=
            AMQP_STATUS_OK) {
        return fault(link, "reading certfile and keyfile", address->certificate_file, st);
    }
    return true;
}

/* Publishes the descriptor to amqp_link_interrupt, which can then end blocking calls. */
static bool show_descriptor(struct amqp_link *link, struct status *st)
{
    pthread_mutex_lock(&link->lock);
    bool interrupted = link->interrupted;
    link->fd = interrupted ? -1 : amqp_get_sockfd(link->connection);
    pthread_mutex_unlock(&link->lock);
    return !interrupted || fault(link, "connecting", "the node is stopping", st);
}

/* Without heartbeats, TCP keepalive has to detect that the broker's machine is gone. Best effort.
 */
static void set_keepalive(const struct amqp_link *link)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, SILENCE_S / 2},
        {IPPROTO_TCP, TCP_KEEPINTVL, SILENCE_S / 6},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_S * 1000},
    };
    int fd = amqp_get_sockfd(link->connection);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                   sizeof options[i].value);
    }
}

static bool open_socket(struct amqp_link *link, struct status *st)
{
    const struct amqp_host *host = &link->address->hosts[link->host];
    bool tls = link->address->tls;
    struct timeval timeout = time_of(link->address);
    amqp_socket_t *socket =
        tls ? amqp_ssl_socket_new(link->connection) : amqp_tcp_socket_new(link->connection);
    if (socket == NULL || (tls && !set_up_tls(link, socket, st))) {
        return socket != NULL || fault(link, "connecting", "no socket can be made", st);
    }
    int result = amqp_socket_open_noblock(socket, host->name, host->port, &timeout);
    if (!amqp_link_sent(link, result, "connecting", st)) {
        return false;
    }
    if (link->address->heartbeat_s == 0) {
        set_keepalive(link);
    }
    return show_descriptor(link, st);
}

static bool log_in(struct amqp_link *link, struct status *st)
{
    const struct amqp_address *address = link->address;
    amqp_table_entry_t entries[] = {
        {.key = amqp_cstring_bytes("connection_name"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(link->name)}},
    };
    amqp_table_t properties = {.num_entries = COUNT_OF(entries), .entries = entries};
    struct timeval timeout = time_of(address);
    amqp_set_handshake_timeout(link->connection, &timeout);
    amqp_set_rpc_timeout(link->connection, &timeout);
    amqp_rpc_reply_t reply = amqp_login_with_properties(
        link->connection, address->vhost, 0, FRAME_BYTES, address->heartbeat_s, &properties,
        AMQP_SASL_METHOD_PLAIN, address->user == NULL ? "guest" : address->user,
        address->password == NULL ? "guest" : address->password);
    enum amqp_refusal refusal;
    return check(link, &reply, "logging in", &refusal, st);
}

static bool connect_host(struct amqp_link *link, struct status *st)
{
    link->connection = amqp_new_connection();
    if (link->connection == NULL) {
        return fault(link, "connecting", "no memory", st);
    }
    if (open_socket(link, st) && log_in(link, st)) {
        return true;
    }
    amqp_link_close(link);
    return false;
}

static bool connect_any(struct amqp_link *link, struct status *st)
{
    size_t n_hosts = link->address->n_hosts;
    for (size_t i = 0; i < n_hosts; i++) {
        if (connect_host(link, st)) {
            return true;
        }
        link->host = (link->host + 1) % n_hosts;
    }
    return false;
}

bool amqp_link_open(struct amqp_link *link, struct status *st)
{
    if (link->connection == NULL && !connect_any(link, st)) {
        return false;
    }
    if (link->channel_open) {
        return true;
    }
    enum amqp_refusal refusal;
    amqp_channel_open(link->connection, AMQP_CHANNEL);
    link->channel_open = amqp_link_check(link, "opening a channel", &refusal, st);
    return link->channel_open;
}

bool amqp_link_declare_exchange(struct amqp_link *link, const char *name, const char *type,
                                bool durable, struct status *st)
{
    char doing[100];
    enum amqp_refusal refusal;
    snprintf(doing, sizeof doing, "declaring the %s %s exchange %s",
             durable ? "durable" : "transient", type, name);
    amqp_exchange_declare(link->connection, AMQP_CHANNEL, amqp_cstring_bytes(name),
                          amqp_cstring_bytes(type), 0, durable, 0, 0, amqp_empty_table);
    return amqp_link_check(link, doing, &refusal, st) ||
           (refusal == AMQP_OTHER_ALTERNATE && amqp_link_open(link, st));
}

/* ---- Closing ---- */

void amqp_link_close(struct amqp_link *link)
{
    if (link->connection == NULL) {
        return;
    }
    pthread_mutex_lock(&link->lock);
    bool can_speak = link->fd >= 0 && !link->interrupted;
    link->fd = -1;
    pthread_mutex_unlock(&link->lock);
    if (can_speak && amqp_link_can_send(link, 0)) {
        amqp_connection_close_t good_bye = {.reply_code = AMQP_REPLY_SUCCESS};
        amqp_send_method(link->connection, 0, AMQP_CONNECTION_CLOSE_METHOD, &good_bye);
    }
    amqp_destroy_connection(link->connection);
    link->connection = NULL;
    link->channel_open = false;
}

void amqp_link_fini(struct amqp_link *link)
{
    amqp_link_close(link); /* the connection is still open if the lease was never acquired */
    pthread_mutex_destroy(&link->lock);
}

void amqp_link_interrupt(struct amqp_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->interrupted = true;
    if (link->fd >= 0) {
        shutdown(link->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&link->lock);
}

/* ---- Sending ---- */

/* Whether nothing has come for 1.5 heartbeats. After 2, librabbitmq ends the connection when it
 * reads. */
static bool is_silent(const struct amqp_link *link)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int64_t heartbeat_ms = INT64_C(1000) * amqp_get_heartbeat(link->connection);
    int failed = getsockopt(amqp_get_sockfd(link->connection), IPPROTO_TCP, TCP_INFO, &info, &size);
    return failed == 0 && heartbeat_ms > 0 && info.tcpi_last_data_recv >= heartbeat_ms * 3 / 2;
}

bool amqp_link_can_send(const struct amqp_link *link, int timeout_ms)
{
    bool silent = is_silent(link);
    struct pollfd socket = {.fd = amqp_get_sockfd(link->connection),
                            .events = silent ? POLLIN : POLLOUT};
    return poll(&socket, 1, timeout_ms) > 0 && !silent;
}

/* ---- Reading ---- */

void amqp_link_wait(struct amqp_link *link, const struct wake *wake, int64_t timeout_ms)
{
    if (!amqp_frames_enqueued(link->connection) && !amqp_data_in_buffer(link->connection)) {
        wake_wait(wake, amqp_get_sockfd(link->connection), timeout_ms);
    }
}

bool amqp_link_read(struct amqp_link *link, amqp_frame_t *ret_frame, bool *ret_there,
                    struct status *st)
{
    struct timeval now = {0};
    amqp_maybe_release_buffers(link->connection);
    int result = amqp_simple_wait_frame_noblock(link->connection, ret_frame, &now);
    *ret_there = result == AMQP_STATUS_OK;
    if (result == AMQP_STATUS_TIMEOUT) {
        return true;
    }
    if (result != AMQP_STATUS_OK) {
        return fault(link, "reading", amqp_error_string2(result), st);
    }
    if (ret_frame->frame_type == AMQP_FRAME_METHOD &&
        (ret_frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
         ret_frame->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD)) {
        enum amqp_refusal refusal;
        return closed(link, &ret_frame->payload.method, "publishing", &refusal, st);
    }
    return true;
}
