#include "registry_client.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "bounded_decoding.h"
#include "clock.h"
#include "failover.h"
#include "file.h"
#include "file_watch.h"
#include "log.h"
#include "mem.h"

#define MAX_RECEIVE_BYTES (64u << 20)
#define MAX_WATCH_BYTES ((size_t)256 << 20)

struct typed_method {
    const char *path;
    const ProtobufCMessageDescriptor *request, *response;
};

#define METHOD_ROW(NAME, path, request, response)                                                  \
    [REGISTRY_##NAME] = {path, &request##__descriptor, &response##__descriptor},
static const struct typed_method methods[] = {REGISTRY_METHODS(METHOD_ROW)};

bool registry_method_find(const char *name, enum registry_method *ret_method)
{
    for (size_t i = 0; i < REGISTRY_METHOD_COUNT; i++) {
        if (strcmp(strrchr(methods[i].path, '/') + 1, name) == 0) {
            *ret_method = (enum registry_method)i;
            return true;
        }
    }
    return false;
}

const ProtobufCMessageDescriptor *registry_method_request(enum registry_method method)
{
    return methods[method].request;
}

#define TOKEN_FILE_BYTES 8192

/* A header value; immutable, so that a call can use it while another one takes its place. */
struct authorization {
    atomic_uint refs;
    char value[];
};

struct registry_client {
    struct rpc_client *rpc;
    struct failover failover;
    atomic_bool closing;
    const struct log_sink *log;
    size_t max_watch_bytes;
    char *max_watch_name;          /* owned; in messages */
    char *token_path;              /* owned, like its name; NULL: no token */
    char *token_name;              /* in messages */
    struct file_watch *token_file; /* NULL: no token */
    pthread_mutex_t lock;          /* of the next one */
    struct authorization *own;     /* NULL: no token */
};

struct pending {
    struct registry_client *client;
    struct failover_choice choice;
    const struct typed_method *method;
    registry_client_done *done;
    void *user;
};

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
    if (client->token_path == NULL) {
        return NULL;
    }
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
        return status_set(st, STATUS_UNAVAILABLE, "TOKEN_FILE_BROKEN", "%s: %s", client->token_name,
                          st->message);
    }
    size_t n = text->len;
    n -= n > 0 && text->data[n - 1] == '\n';
    if (!is_token((const char *)text->data, n)) {
        return status_set(st, STATUS_UNAVAILABLE, "TOKEN_FILE_BROKEN",
                          "%s: the file is not one line with a token", client->token_name);
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
    const struct registry_client *client = user;
    struct status st;
    if (read_token(user, &st)) {
        log_event_to(client->log, LOG_INFO, "server_token_reloaded", NULL);
    } else {
        log_event_to(client->log, LOG_ERROR, "server_token_kept", "message", st.message, NULL);
    }
}

static bool use_token(struct registry_client *client, const char *path, const char *name,
                      struct status *st)
{
    client->token_path = mem_string(path);
    client->token_name = mem_string(name == NULL ? "--server-token-file" : name);
    if (!read_token(client, st)) {
        return false;
    }
    const struct file_watch_options watch = {
        .paths = {path}, .changed = read_token_again, .user = client};
    client->token_file = file_watch_start(&watch);
    return true;
}

/* ---- The client ---- */

bool registry_client_new(const struct registry_client_options *options,
                         struct registry_client **ret_client, struct status *st)
{
    struct rpc_client_options rpc_options = {.max_receive_bytes = MAX_RECEIVE_BYTES,
                                             .minimal_stack = true,
                                             .tls = options->tls,
                                             .log = options->log};
    struct rpc_client *rpc;
    if (!rpc_client_open(options->addresses, options->n_addresses, &rpc_options, &rpc, st)) {
        return false;
    }
    AUTO(registry_client_free) struct registry_client *client = mem_zalloc(sizeof *client);
    client->rpc = rpc;
    client->log = options->log;
    client->max_watch_bytes =
        options->max_watch_bytes == 0 ? MAX_WATCH_BYTES : options->max_watch_bytes;
    client->max_watch_name =
        mem_string(options->max_watch_name == NULL ? "--max-watch-bytes" : options->max_watch_name);
    failover_init(&client->failover, options->n_addresses);
    pthread_mutex_init(&client->lock, NULL);
    if (options->token_file != NULL &&
        !use_token(client, options->token_file, options->token_name, st)) {
        return false;
    }
    *ret_client = MOVE(client);
    return true;
}

int64_t registry_client_pause_ms(struct registry_client *client)
{
    return failover_pause_ms(&client->failover, clock_monotonic_ns());
}

bool registry_client_has_choice(const struct registry_client *client)
{
    return client->failover.n > 1;
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
        failover_fini(&client->failover);
        pthread_mutex_destroy(&client->lock);
        free(client->max_watch_name);
        free(client->token_path);
        free(client->token_name);
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

/* Notes whether the address can be used. */
static void note(struct registry_client *client, struct failover_choice choice,
                 const struct status *st)
{
    if (st == NULL || (st->code != STATUS_UNAVAILABLE && st->code != STATUS_DEADLINE_EXCEEDED)) {
        failover_worked(&client->failover, choice);
    } else {
        failover_failed(&client->failover, choice, clock_monotonic_ns());
    }
}

static void finish(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct pending call = *(struct pending *)user;
    free(user);
    if (st != NULL) {
        struct status told = as_told(call.client, st);
        note(call.client, call.choice, &told);
        call.done(call.user, NULL, &told);
        return;
    }
    note(call.client, call.choice, NULL);
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

#define HEADERS_MAX 5

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
    const struct registry_call call = {
        .method = method, .request = request, .timeout_ms = timeout_ms, .caller = caller};
    registry_client_start(client, &call, done, user);
}

void registry_client_start(struct registry_client *client, const struct registry_call *call,
                           registry_client_done *done, void *user)
{
    const struct typed_method *method = &methods[call->method];
    AUTO(authorization_unref) struct authorization *own = own_authorization(client);
    struct headers headers = headers_of(call->caller, own);
    if (call->trace != NULL && call->trace[0] != '\0') {
        add_header(&headers, "traceparent", call->trace);
    }
    assert(call->request->descriptor == method->request && "a method has its own request");
    struct pending *pending = mem_alloc(sizeof *pending);
    *pending = (struct pending){.client = client,
                                .choice = failover_choose(&client->failover),
                                .method = method,
                                .done = done,
                                .user = user};
    struct rpc_request rpc = {.address = pending->choice.address,
                              .path = method->path,
                              .message = call->request,
                              .timeout_ms = call->timeout_ms,
                              .wait_for_ready = call->patient && client->failover.n == 1,
                              .headers = headers.items,
                              .n_headers = headers.n};
    rpc_client_unary(client->rpc, &rpc, finish, pending);
}

/* ---- Watches ---- */

static bool set_too_large(const struct registry_client *client, struct status *st)
{
    return status_set(st, STATUS_RESOURCE_EXHAUSTED, "WATCH_TOO_LARGE",
                      "a snapshot or a commit takes more than %s, %zu bytes",
                      client->max_watch_name, client->max_watch_bytes);
}

bool registry_watch_hold(const struct registry_watch *watch, size_t *held, struct status *st)
{
    *held += watch->n_bytes;
    return *held <= watch->client->max_watch_bytes || set_too_large(watch->client, st);
}

static bool take_response(void *user, const uint8_t *bytes, size_t size)
{
    struct registry_watch *watch = user;
    struct bounded_decoding decoding = {.most = watch->client->max_watch_bytes};
    Confreg__V1__WatchResponse *response = (Confreg__V1__WatchResponse *)bounded_decode(
        &decoding, &confreg__v1__watch_response__descriptor, bytes, size);
    watch->is_too_large = decoding.exceeded;
    watch->malformed = response == NULL && !decoding.exceeded;
    watch->n_bytes = decoding.n_used;
    failover_worked(&watch->client->failover, watch->choice);
    return response != NULL && watch->response(watch, response);
}

static void end_watch(void *user, const struct status *st)
{
    struct registry_watch *watch = user;
    struct status own;
    note(watch->client, watch->choice, st);
    if (watch->malformed) {
        status_set(&own, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the answer is no %s",
                   confreg__v1__watch_response__descriptor.name);
        st = &own;
    } else if (watch->is_too_large) {
        set_too_large(watch->client, &own);
        st = &own;
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
    watch->client = client;
    watch->choice = failover_choose(&client->failover);
    const struct rpc_request rpc = {
        .address = watch->choice.address,
        .path = "/confreg.v1.RegistryService/Watch",
        .message = &request->base,
        .wait_for_ready = patient && client->failover.n == 1,
        .headers = headers.items,
        .n_headers = headers.n,
    };
    watch->malformed = false;
    watch->is_too_large = false;
    return rpc_client_stream(client->rpc, &rpc, &ops, watch);
}

/* ---- Tasks and timers ---- */

void registry_client_post(struct registry_client *client, struct rpc_task *task)
{
    rpc_client_post(client->rpc, task);
}

void registry_client_set_timer(struct registry_client *client, struct rpc_timer *timer,
                               int64_t at_ns)
{
    rpc_client_set_timer(client->rpc, timer, at_ns);
}

void registry_client_clear_timer(struct registry_client *client, struct rpc_timer *timer)
{
    rpc_client_clear_timer(client->rpc, timer);
}
