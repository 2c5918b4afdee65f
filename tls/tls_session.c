#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <sys/socket.h>

#include "mem.h"
#include "peer_name.h"
#include "tls_context.h"
#include "tls_inside.h"

/* ---- The socket, as OpenSSL sees it ---- */

/* OpenSSL's own BIO of sockets writes without MSG_NOSIGNAL. */

static int after(BIO *bio, ssize_t n, int retry)
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    }
    return (int)n;
}

static int bio_read(BIO *bio, char *bytes, int n)
{
    struct tls_session *session = BIO_get_data(bio);
    ssize_t got = recv(session->fd, bytes, (size_t)n, 0);
    session->is_drained = got < n;
    return after(bio, got, BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
    const struct tls_session *session = BIO_get_data(bio);
    return after(bio, send(session->fd, bytes, (size_t)n, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

static void make_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_read(socket_method, bio_read);
    BIO_meth_set_write(socket_method, bio_write);
    BIO_meth_set_ctrl(socket_method, bio_control);
}

static BIO *new_bio(struct tls_session *session)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = BIO_new(socket_method);
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- Life ---- */

struct tls_session *tls_session_new(struct tls_server *server, int fd, enum tls_protocol protocol)
{
    struct tls_session *session = mem_zalloc(sizeof *session);
    SSL_CTX *core = tls_server_context(server, &session->reading);
    atomic_init(&session->refs, 1);
    session->server = tls_server_ref(server);
    session->fd = fd;
    session->protocol = protocol;
    session->ssl = SSL_new(core);
    SSL_CTX_free(core);
    pthread_mutex_init(&session->lock, NULL);
    BIO *bio = new_bio(session);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    SSL_set_accept_state(session->ssl);
    return session;
}

void tls_session_unref(struct tls_session *session)
{
    if (atomic_fetch_sub(&session->refs, 1) > 1) {
        return;
    }
    SSL_free(session->ssl);
    pthread_mutex_destroy(&session->lock);
    tls_server_unref(session->server);
    free(session->name);
    free(session);
}

void tls_session_close(struct tls_session *session)
{
    pthread_mutex_lock(&session->lock);
    session->fd = -1;
    session->is_over = true;
    pthread_mutex_unlock(&session->lock);
    if (session->enlisted) {
        tls_server_unlist(session->server, session);
    }
    tls_session_unref(session);
}

void tls_session_cut(struct tls_session *session)
{
    pthread_mutex_lock(&session->lock);
    session->is_over = true;
    if (session->fd >= 0) {
        shutdown(session->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&session->lock);
}

const char *tls_session_name(const struct tls_session *session)
{
    return session->name;
}

/* ---- The client's certificate ---- */

static int64_t first_end(const STACK_OF(X509) * chain)
{
    int64_t end = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t this = tls_seconds_of(X509_get0_notAfter(sk_X509_value(chain, i)));
        end = this < end ? this : end;
    }
    return end;
}

/* Takes name and end of a certificate that was verified. False: no name in it can be used. */
static bool take_client(struct tls_session *session)
{
    const X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    if (certificate == NULL) {
        return true;
    }
    session->name = peer_name_of(certificate);
    session->end_s = first_end(SSL_get0_verified_chain(session->ssl));
    return session->name != NULL;
}

bool tls_session_verify(struct tls_session *session, SSL_CTX *core)
{
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    pthread_mutex_lock(&session->lock);
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    bool ok = X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(core), certificate,
                                  SSL_get_peer_cert_chain(session->ssl)) == 1;
    ok = ok && X509_STORE_CTX_set_default(check, "ssl_client") == 1 && X509_verify_cert(check) == 1;
    ERR_clear_error();
    pthread_mutex_unlock(&session->lock);
    X509_STORE_CTX_free(check);
    return ok;
}

/* ---- The handshake ---- */

static bool has_protocol(const struct tls_session *session)
{
    const unsigned char *chosen = NULL;
    unsigned int n = 0;
    SSL_get0_alpn_selected(session->ssl, &chosen, &n);
    return n > 0 || session->protocol == TLS_PROTOCOL_HTTP_1;
}

static enum tls_step established(struct tls_session *session, enum tls_failure *ret_failure)
{
    if (!has_protocol(session)) {
        *ret_failure = TLS_FAILURE_PROTOCOL;
        return TLS_STEP_FAILED;
    }
    if (!take_client(session)) {
        *ret_failure = TLS_FAILURE_UNTRUSTED;
        return TLS_STEP_FAILED;
    }
    /* From now on as much as there is may be read at once. During the handshake nothing behind it
     * was taken from the socket, which therefore is readable where the client has gone on. */
    SSL_set_read_ahead(session->ssl, 1);
    if (session->name != NULL) {
        tls_server_enlist(session->server, session);
    }
    tls_server_established(session->server);
    return TLS_STEP_DONE;
}

enum tls_step tls_session_handshake(struct tls_session *session, enum tls_failure *ret_failure)
{
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        return established(session, ret_failure);
    }
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_STEP_WRITE;
    default:
        *ret_failure = tls_failure_of(ERR_peek_error(), SSL_get_verify_result(session->ssl));
        ERR_clear_error();
        return TLS_STEP_FAILED;
    }
}

/* ---- Reading and writing ---- */

/* The result of a call that moved no bytes, for the caller. */
static ssize_t without_bytes(struct tls_session *session, int result)
{
    int error = SSL_get_error(session->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    session->is_over = true;
    errno = ECONNRESET;
    return -1;
}

static ssize_t over(void)
{
    errno = ECONNRESET;
    return -1;
}

/* Whether another read would only ask the socket in vain. */
static bool is_empty(const struct tls_session *session)
{
    return session->is_drained && SSL_has_pending(session->ssl) == 0;
}

/* A call of OpenSSL moves one record at most. */
static ssize_t read_parts(struct tls_session *session, const struct iovec *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t filled = 0; filled < parts[i].iov_len;) {
            size_t got = 0;
            int result = SSL_read_ex(session->ssl, (char *)parts[i].iov_base + filled,
                                     parts[i].iov_len - filled, &got);
            if (result != 1) {
                return total > 0 ? (ssize_t)total : without_bytes(session, result);
            }
            filled += got;
            total += got;
            if (is_empty(session)) {
                return (ssize_t)total;
            }
        }
    }
    return (ssize_t)total;
}

ssize_t tls_session_read(struct tls_session *session, const struct iovec *parts, size_t n)
{
    pthread_mutex_lock(&session->lock);
    ERR_clear_error();
    ssize_t got = session->is_over ? over() : read_parts(session, parts, n);
    int error = errno;
    pthread_mutex_unlock(&session->lock);
    errno = error;
    return got;
}

/* Where a write goes on. */
struct write_place {
    const struct iovec *parts;
    size_t n, offset; /* in parts[0] */
};

static void skip(struct write_place *place, size_t bytes)
{
    place->offset += bytes;
    while (place->n > 0 && place->offset >= place->parts[0].iov_len) {
        place->offset -= place->parts[0].iov_len;
        place->parts++;
        place->n--;
    }
}

/* The bytes of the next record: in place where they are in one piece, else copied to room. */
static const void *next_record(struct write_place place, char *room, size_t *ret_size)
{
    size_t first = place.parts[0].iov_len - place.offset;
    if (place.n == 1 || first >= SSL3_RT_MAX_PLAIN_LENGTH) {
        *ret_size = first < SSL3_RT_MAX_PLAIN_LENGTH ? first : SSL3_RT_MAX_PLAIN_LENGTH;
        return (const char *)place.parts[0].iov_base + place.offset;
    }
    size_t size = 0;
    while (place.n > 0 && size < SSL3_RT_MAX_PLAIN_LENGTH) {
        size_t left = place.parts[0].iov_len - place.offset;
        size_t fits = SSL3_RT_MAX_PLAIN_LENGTH - size;
        size_t taken = left < fits ? left : fits;
        memcpy(room + size, (const char *)place.parts[0].iov_base + place.offset, taken);
        size += taken;
        skip(&place, taken);
    }
    *ret_size = size;
    return room;
}

/* OpenSSL calls it the end of the stream if a write fails on a socket of a peer that has sent
 * close_notify before. A writer would try again for ever: its connection is broken. */
static ssize_t nothing_written(struct tls_session *session, int result)
{
    ssize_t put = without_bytes(session, result);
    if (put == 0) {
        session->is_over = true;
        return over();
    }
    return put;
}

/* After EAGAIN the caller comes again with the same bytes, and maybe more behind them, as OpenSSL
 * demands. */
static ssize_t write_parts(struct tls_session *session, const struct iovec *parts, size_t n)
{
    char room[SSL3_RT_MAX_PLAIN_LENGTH];
    struct write_place place = {parts, n, 0};
    size_t total = 0;
    skip(&place, 0);
    while (place.n > 0) {
        size_t size = 0;
        size_t put = 0;
        const void *bytes = next_record(place, room, &size);
        int result = SSL_write_ex(session->ssl, bytes, size, &put);
        if (result != 1) {
            return total > 0 ? (ssize_t)total : nothing_written(session, result);
        }
        total += put;
        skip(&place, put);
    }
    return (ssize_t)total;
}

ssize_t tls_session_write(struct tls_session *session, const struct iovec *parts, size_t n)
{
    pthread_mutex_lock(&session->lock);
    ERR_clear_error();
    ssize_t put = session->is_over ? over() : write_parts(session, parts, n);
    int error = errno;
    pthread_mutex_unlock(&session->lock);
    errno = error;
    return put;
}

enum tls_step tls_session_end(struct tls_session *session)
{
    enum tls_step step = TLS_STEP_FAILED;
    pthread_mutex_lock(&session->lock);
    ERR_clear_error();
    int result = session->is_over ? -1 : SSL_shutdown(session->ssl);
    if (result >= 0) {
        step = TLS_STEP_DONE;
    } else if (!session->is_over && SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_WRITE) {
        step = TLS_STEP_WRITE;
    }
    ERR_clear_error();
    pthread_mutex_unlock(&session->lock);
    return step;
}
