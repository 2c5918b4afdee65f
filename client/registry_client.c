#include "registry_client.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "file.h"
#include "file_watch.h"
#include "log.h"
#include "mem.h"

#define MAX_RECEIVE_BYTES (64u << 20)

struct typed_method {
    const char *path;
    const ProtobufCMessageDescriptor *request, *response;
};

#define METHOD_ROW(NAME, path, request, response)                                                  \
    [REGISTRY_##NAME] = {path, &request##__descriptor, &response##__descriptor},
static const struct typed_method methods[] = {REGISTRY_METHODS(METHOD_ROW)};

#define TOKEN_FILE_BYTES 8192

/* A header value; immutable, so that a call can use it while another one takes its place. */
struct authorization {
    atomic_uint refs;
    char value[];
};

struct registry_client {
    struct rpc_client *rpc;
    atomic_bool closing;
    char *token_path;              /* owned; NULL: no token */
    struct file_watch *token_file; /* NULL: no token */
    pthread_mutex_t lock;          /* of the next one */
    struct authorization *own;     /* NULL: no token */
};

struct pending {
    struct registry_client *client;
    const struct typed_method *method;
    registry_client_done *done;
    void *user;
};

bool registry_client_new(const char *address, const struct tls_client_settings *tls,
                         struct registry_client **ret_client, struct status *st)
{
    struct rpc_client_options options = {
        .max_receive_bytes = MAX_RECEIVE_BYTES, .minimal_stack = true, .tls = tls};
    struct rpc_client *rpc;
    if (!rpc_client_new(address, &options, &rpc, st)) {
        return false;
    }
    *ret_client = mem_zalloc(sizeof **ret_client);
    (*ret_client)->rpc = rpc;
    pthread_mutex_init(&(*ret_client)->lock, NULL);
    return true;
}

/* ---- The client's own token ---- */

static void authorization_unref(struct authorization *authorization)
{
    if (authorization != NULL && atomic_fetch_sub(&authorization->refs, 1) == 1) {
        explicit_bzero(authorization->value, strlen(authorization->value));
        free(authorization);
    }
}
MEM_CLEANUP(struct authorization, authorization_unref)

/* The header in use; a reference. */
static struct authorization *own_authorization(struct registry_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct authorization *own = client->own;
    if (own != NULL) {
        atomic_fetch_add(&own->refs, 1);
    }
    pthread_mutex_unlock(&client->lock);
    return own;
}

static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return n > 0;
}

static bool read_token(struct registry_client *client, struct status *st)
{
    static const char scheme[] = "Bearer ";
    AUTO(buf_unref) struct buf *text = NULL;
    if (!file_read(client->token_path, TOKEN_FILE_BYTES, &text, NULL, st)) {
        return status_set(st, STATUS_UNAVAILABLE, "TOKEN_FILE_BROKEN", "--server-token-file: %s",
                          st->message);
    }
    size_t n = text->len;
    n -= n > 0 && text->data[n - 1] == '\n';
    if (!is_token((const char *)text->data, n)) {
        return status_set(st, STATUS_UNAVAILABLE, "TOKEN_FILE_BROKEN",
                          "--server-token-file: the file is not one line with a token");
    }
    struct authorization *made = mem_zalloc(sizeof *made + sizeof scheme + n);
    atomic_init(&made->refs, 1);
    memcpy(made->value, scheme, sizeof scheme - 1);
    memcpy(made->value + sizeof scheme - 1, text->data, n);
    pthread_mutex_lock(&client->lock);
    struct authorization *before = client->own;
    client->own = made;
    pthread_mutex_unlock(&client->lock);
    authorization_unref(before);
    return true;
}

static void read_token_again(void *user)
{
    struct status st;
    if (read_token(user, &st)) {
        log_event(LOG_INFO, "server_token_reloaded", NULL);
    } else {
        log_event(LOG_ERROR, "server_token_kept", "message", st.message, NULL);
    }
}

bool registry_client_use_token(struct registry_client *client, const char *path, struct status *st)
{
    client->token_path = mem_string(path);
    if (!read_token(client, st)) {
        return false;
    }
    const struct file_watch_options watch = {
        .paths = {path}, .changed = read_token_again, .user = client};
    client->token_file = file_watch_start(&watch);
    return true;
}

void registry_client_reload(struct registry_client *client)
{
    rpc_client_reload(client->rpc);
    if (client->token_file != NULL) {
        file_watch_poke(client->token_file);
    }
}

void registry_client_free(struct registry_client *client)
{
    if (client != NULL) {
        atomic_store(&client->closing, true);
        rpc_client_free(client->rpc);
        file_watch_stop(client->token_file);
        authorization_unref(client->own);
        pthread_mutex_destroy(&client->lock);
        free(client->token_path);
        free(client);
    }
}

/* Only registry_client_free cancels calls. Any other call that ends with CANCELLED lost its
 * connection. */
static struct status as_told(const struct registry_client *client, const struct status *st)
{
    struct status told = *st;
    if (told.code == STATUS_CANCELLED && !atomic_load(&client->closing)) {
        told.code = STATUS_UNAVAILABLE;
    }
    return told;
}

static void finish(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct pending call = *(struct pending *)user;
    free(user);
    if (st != NULL) {
        struct status told = as_told(call.client, st);
        call.done(call.user, NULL, &told);
        return;
    }
    ProtobufCMessage *response =
        protobuf_c_message_unpack(call.method->response, NULL, size, bytes);
    if (response != NULL) {
        call.done(call.user, response, NULL);
        return;
    }
    struct status malformed;
    status_set(&malformed, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the answer is no %s",
               call.method->response->name);
    call.done(call.user, NULL, &malformed);
}

/* ---- Headers ---- */

#define HEADERS_MAX 4

struct headers {
    struct rpc_header items[HEADERS_MAX];
    size_t n;
};

static void add_header(struct headers *headers, const char *key, const char *value)
{
    if (value != NULL) {
        headers->items[headers->n++] = (struct rpc_header){key, value};
    }
}

/* own: the client's token; NULL: none. */
static struct headers headers_of(const struct registry_caller *caller,
                                 const struct authorization *own)
{
    struct headers headers = {.n = 0};
    const char *token = own == NULL ? NULL : own->value;
    if (caller == NULL) {
        add_header(&headers, "authorization", token);
        return headers;
    }
    add_header(&headers, "authorization", caller->authorization);
    if (caller->is_delegated) {
        add_header(&headers, "x-confreg-gateway-authorization", token);
        add_header(&headers, "x-confreg-on-behalf-of", caller->certificate);
        add_header(&headers, "x-confreg-peer", caller->peer);
    }
    return headers;
}

/* ---- Calls ---- */

void registry_client_call(struct registry_client *client, enum registry_method method,
                          const ProtobufCMessage *request, int64_t timeout_ms,
                          registry_client_done *done, void *user)
{
    registry_client_call_for(client, NULL, method, request, timeout_ms, done, user);
}

void registry_client_call_for(struct registry_client *client, const struct registry_caller *caller,
                              enum registry_method method, const ProtobufCMessage *request,
                              int64_t timeout_ms, registry_client_done *done, void *user)
{
    AUTO(authorization_unref) struct authorization *own = own_authorization(client);
    struct headers headers = headers_of(caller, own);
    assert(request->descriptor == methods[method].request && "a method has its own request");
    struct pending *call = mem_alloc(sizeof *call);
    *call =
        (struct pending){.client = client, .method = &methods[method], .done = done, .user = user};
    struct rpc_request rpc = {.path = methods[method].path,
                              .message = request,
                              .timeout_ms = timeout_ms,
                              .headers = headers.items,
                              .n_headers = headers.n};
    rpc_client_unary(client->rpc, &rpc, finish, call);
}

/* ---- Watches ---- */

static bool take_response(void *user, const uint8_t *bytes, size_t size)
{
    struct registry_watch *watch = user;
    Confreg__V1__WatchResponse *response = confreg__v1__watch_response__unpack(NULL, size, bytes);
    watch->malformed = response == NULL;
    return response != NULL && watch->response(watch, response);
}

static void end_watch(void *user, const struct status *st)
{
    struct registry_watch *watch = user;
    struct status malformed;
    if (watch->malformed) {
        status_set(&malformed, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the answer is no %s",
                   confreg__v1__watch_response__descriptor.name);
        st = &malformed;
    }
    watch->done(watch, st);
}

struct rpc_client_call *registry_client_watch_open(struct registry_client *client,
                                                   const struct registry_caller *caller,
                                                   const Confreg__V1__WatchRequest *request,
                                                   bool patient, struct registry_watch *watch)
{
    static const struct rpc_client_stream_ops ops = {take_response, end_watch};
    AUTO(authorization_unref) struct authorization *own = own_authorization(client);
    struct headers headers = headers_of(caller, own);
    const struct rpc_request rpc = {
        .path = "/confreg.v1.RegistryService/Watch",
        .message = &request->base,
        .wait_for_ready = patient,
        .headers = headers.items,
        .n_headers = headers.n,
    };
    watch->malformed = false;
    return rpc_client_stream(client->rpc, &rpc, &ops, watch);
}

/* ---- Timers ---- */

void registry_client_set_timer(struct registry_client *client, struct rpc_timer *timer,
                               int64_t at_ns)
{
    rpc_client_set_timer(client->rpc, timer, at_ns);
}

void registry_client_clear_timer(struct registry_client *client, struct rpc_timer *timer)
{
    rpc_client_clear_timer(client->rpc, timer);
}
