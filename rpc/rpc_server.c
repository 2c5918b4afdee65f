#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acceptor.h"
#include "builtin.h"
#include "call_stats.h"
#include "channel_args.h"
#include "clock.h"
#include "condition.h"
#include "core.h"
#include "inflow.h"

/* How many calls of each method are requested in advance, on each completion queue. Further calls
 * wait in the core until one of these requests completes. The number is small, because Debian's
 * core visits all operations of a completion queue whenever one completes. */
#define REQUESTED_CALLS 4
#define HEADERS_MAX_BYTES 16384
#define TELLING_MS 200 /* after the grace, for the last refusals to be sent */
#define LINGER_MS (RPC_SERVER_PARTING_MS - TELLING_MS) /* for clients to read the last answers */

/* ---- Making one ---- */

static grpc_server *create_core(const struct rpc_server_options *options)
{
    struct channel_args args = {.n = 0};
    /* A second server on the port must fail, not take half of the connections. */
    channel_args_add(&args, GRPC_ARG_ALLOW_REUSEPORT, 0);
    channel_args_add(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->max_receive_bytes);
    channel_args_add(&args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    channel_args_add(&args, GRPC_ARG_MAX_METADATA_SIZE, HEADERS_MAX_BYTES);
    /* Keepalive frees what belongs to peers that have gone silent or do not read. */
    channel_args_add(&args, GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
    channel_args_add(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
    channel_args_add(&args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    channel_args_add(&args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    /* A tenth less than promised: pings do not arrive as evenly as they are sent. */
    channel_args_add(&args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                     options->min_client_ping_ms * 9 / 10);
    channel_args_add(&args, GRPC_ARG_HTTP2_BDP_PROBE, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_CHANNELZ, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    if (options->max_streams > 0) {
        channel_args_add(&args, GRPC_ARG_MAX_CONCURRENT_STREAMS, options->max_streams);
    }
    grpc_channel_args channel_args = {args.n, args.items};
    return grpc_server_create(&channel_args, NULL);
}

static struct rpc_server_options with_defaults(const struct rpc_server_options *given)
{
    struct rpc_server_options options = *given;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (options.n_call_threads == 0) {
        options.n_call_threads = cores < 1 ? 1 : (size_t)cores;
    }
    options.max_receive_bytes =
        options.max_receive_bytes == 0 ? 4u << 20 : options.max_receive_bytes;
    options.keepalive_ms = value_or(options.keepalive_ms, 20000);
    options.keepalive_timeout_ms = value_or(options.keepalive_timeout_ms, 10000);
    options.handshake_ms = value_or(options.handshake_ms, 10000);
    options.min_client_ping_ms = value_or(options.min_client_ping_ms, 10000);
    return options;
}

static void create_cqs(struct rpc_server *server)
{
    size_t n = server->options.n_call_threads;
    server->cqs = mem_array(n, sizeof server->cqs[0]);
    for (size_t i = 0; i < n; i++) {
        cq_init(&server->cqs[i], GRPC_CQ_DEFAULT_POLLING);
        grpc_server_register_completion_queue(server->core, server->cqs[i].lanes[0].core, NULL);
    }
    cq_init_lanes(&server->stream_cq);
    server->unknown_stats = call_stats_new(n);
}

static void init_end(struct rpc_server *server)
{
    pthread_cond_init(&server->quiet, NULL);
    pthread_mutex_init(&server->lock, NULL);
}

static void core_is_down(struct tag *tag, bool ok)
{
    (void)ok;
    struct rpc_server *server = CONTAINER_OF(tag, struct rpc_server, down);
    pthread_mutex_lock(&server->lock);
    server->shut_down = true;
    pthread_cond_signal(&server->quiet);
    pthread_mutex_unlock(&server->lock);
}

bool rpc_server_new(const struct rpc_server_options *options, struct rpc_server **ret_server,
                    struct status *st)
{
    AUTO(descriptors_free)
    struct descriptors *descriptors =
        descriptors_new(options->descriptor_set, options->descriptor_set_size);
    if (descriptors == NULL) {
        return status_set(st, STATUS_INTERNAL, "DESCRIPTORS_BROKEN",
                          "the descriptor set for reflection cannot be read");
    }
    core_init();
    struct rpc_server *server = mem_zalloc(sizeof *server);
    server->options = with_defaults(options);
    server->descriptors = MOVE(descriptors);
    server->down.fn = core_is_down;
    server->kick_streams.fn = stream_kick_all;
    init_end(server);
    server->core = create_core(&server->options);
    const struct acceptor_options acceptor_options = {
        .core = server->core,
        .user_timeout_ms = server->options.keepalive_timeout_ms,
        .tls = server->options.tls,
        .handshake_ms = server->options.handshake_ms,
        .n_handshake_threads = server->options.n_call_threads,
        .limits = server->options.limits,
    };
    server->acceptor = acceptor_new(&acceptor_options);
    create_cqs(server);
    *ret_server = server;
    return true;
}

/* ---- Methods ---- */

static const ProtobufCMethodDescriptor *describe(const struct rpc_service *service,
                                                 const char *name)
{
    const ProtobufCServiceDescriptor *descriptor = service->descriptor;
    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        if (strcmp(descriptor->methods[i].name, name) == 0) {
            return &descriptor->methods[i];
        }
    }
    return NULL;
}

static void check_kind(const struct rpc_server *server, const struct method *method)
{
    bool client_streams = false;
    bool server_streams = false;
    if (descriptors_method(server->descriptors, method->service->descriptor->name,
                           method->entry->name, &client_streams, &server_streams)) {
        assert(server_streams == (method->entry->kind == RPC_SERVER_STREAM) &&
               "a method streams as its .proto file says");
        assert(client_streams == method->client_streams &&
               "a method streams as its .proto file says");
    }
}

static void add_method(struct rpc_server *server, const struct rpc_service *service,
                       const struct rpc_method *entry, bool client_streams, bool open)
{
    const ProtobufCMethodDescriptor *descriptor = describe(service, entry->name);
    assert(descriptor != NULL && "an entry names a method of the service");
    struct method *method = mem_zalloc(sizeof *method);
    method->server = server;
    method->service = service;
    method->entry = entry;
    method->input = descriptor->input;
    method->open = open;
    method->client_streams = client_streams;
    method->stats = call_stats_new(server->options.n_call_threads);
    check_kind(server, method);
    char path[256];
    int n = snprintf(path, sizeof path, "/%s/%s", service->descriptor->name, entry->name);
    assert(n > 0 && (size_t)n < sizeof path && "names of methods are short");
    method->registered = grpc_server_register_method(
        server->core, path, NULL,
        client_streams ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    assert(method->registered != NULL && "a method is added once");
    method->next = server->methods;
    server->methods = method;
}

/* client_streams: every method of the service streams both ways. open: to everybody. */
static void server_add(struct rpc_server *server, const struct rpc_service *service,
                       bool client_streams, bool open)
{
    assert(!atomic_load(&server->running) && "services are added before the start");
    assert(service->n_methods == service->descriptor->n_methods && "every method has its entry");
    for (size_t i = 0; i < service->n_methods; i++) {
        add_method(server, service, &service->methods[i], client_streams, open);
    }
    server->services = mem_grow(server->services, server->n_services + 1, sizeof(void *));
    server->services[server->n_services++] = service;
}

void rpc_server_add(struct rpc_server *server, const struct rpc_service *service)
{
    server_add(server, service, false, false);
}

void rpc_server_add_health(struct rpc_server *server)
{
    server->health = health_new(server);
    server_add(server, health_service(server->health), false, true);
}

void rpc_server_set_serving(struct rpc_server *server, bool serving)
{
    if (server->health != NULL) {
        health_set(server->health, serving);
    }
}

void rpc_server_add_reflection(struct rpc_server *server)
{
    for (size_t i = 0; i < COUNT_OF(reflection_versions); i++) {
        server->reflection[i] = (struct rpc_service){
            .descriptor = reflection_versions[i].descriptor,
            .methods = &reflection_versions[i].method,
            .n_methods = 1,
            .user = server,
        };
        server_add(server, &server->reflection[i], true, false);
    }
}

/* ---- Running ---- */

static void start_threads(struct rpc_server *server)
{
    for (size_t i = 0; i < server->options.n_call_threads; i++) {
        cq_start(&server->cqs[i]);
    }
    cq_start(&server->stream_cq);
    atomic_store(&server->running, true);
}

static void request_calls(struct rpc_server *server, struct completion_queue *cq)
{
    call_request(server, NULL, cq);
    for (const struct method *method = server->methods; method != NULL; method = method->next) {
        for (size_t i = 0; i < REQUESTED_CALLS; i++) {
            call_request(server, method, cq);
        }
    }
}

bool rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port,
                       struct status *st)
{
    return acceptor_listen(server->acceptor, address, ret_port, st);
}

void rpc_server_start(struct rpc_server *server)
{
    grpc_server_start(server->core);
    for (size_t i = 0; i < server->options.n_call_threads; i++) {
        request_calls(server, &server->cqs[i]);
    }
    start_threads(server);
    acceptor_start(server->acceptor);
}

uint64_t rpc_server_cuts(const struct rpc_server *server)
{
    return acceptor_cuts(server->acceptor);
}

uint64_t rpc_server_unfinished(void)
{
    return inflow_unfinished();
}

void rpc_server_post(struct rpc_server *server, struct rpc_task *task)
{
    cq_post(&server->stream_cq, task);
}

void rpc_server_set_timer(struct rpc_server *server, struct rpc_timer *timer, int64_t at_ns)
{
    cq_set_timer(&server->stream_cq, timer, at_ns);
}

void rpc_server_clear_timer(struct rpc_server *server, struct rpc_timer *timer)
{
    cq_clear_timer(&server->stream_cq, timer);
}

void server_kick_streams(struct rpc_server *server)
{
    if (atomic_load(&server->running) && !atomic_exchange(&server->kick_posted, true)) {
        rpc_server_post(server, &server->kick_streams);
    }
}

void server_call_born(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->n_calls++;
    pthread_mutex_unlock(&server->lock);
}

/* Decrements under the lock: when a thread sees that the last call has gone, the thread that
 * released it no longer uses the server. */
void server_call_gone(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    assert(server->n_calls > 0 && "a call that goes was born");
    if (--server->n_calls == 0) {
        pthread_cond_signal(&server->quiet);
    }
    pthread_mutex_unlock(&server->lock);
}

/* Decides under the lock: a thread that has set `stopping` and then finds no call in the list knows
 * that no further call will be served. */
bool server_call_arrived(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    call->refused = rpc_server_stopping(server);
    server->n_refused += call->refused;
    if (!call->refused) {
        LIST_INSERT_HEAD(&server->calls, call, in_calls);
    }
    pthread_mutex_unlock(&server->lock);
    return !call->refused;
}

void server_call_over(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    server->n_refused -= call->refused;
    if (!call->refused) {
        LIST_REMOVE(call, in_calls);
    }
    if (LIST_EMPTY(&server->calls)) {
        pthread_cond_signal(&server->quiet);
    }
    pthread_mutex_unlock(&server->lock);
}

/* ---- Stopping ---- */

bool rpc_server_stopping(const struct rpc_server *server)
{
    return atomic_load(&server->stopping);
}

static bool serves_nobody(const struct rpc_server *server)
{
    return LIST_EMPTY(&server->calls);
}

static bool has_told_all(const struct rpc_server *server)
{
    return LIST_EMPTY(&server->calls) && server->n_refused == 0;
}

static bool wait_until(struct rpc_server *server, bool (*is_so)(const struct rpc_server *server),
                       int64_t ms)
{
    int64_t until_ns = clock_monotonic_ns() + ms * 1000000;
    pthread_mutex_lock(&server->lock);
    while (!is_so(server) && condition_wait_until(&server->quiet, &server->lock, until_ns)) {
    }
    bool so = is_so(server);
    pthread_mutex_unlock(&server->lock);
    return so;
}

static void wait_quiet(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->n_calls > 0 || !server->shut_down) {
        pthread_cond_wait(&server->quiet, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
}

/* Returns all calls in progress, with a reference to each. */
static struct rpc_call **take_calls(struct rpc_server *server, size_t *ret_n)
{
    size_t n = 0;
    pthread_mutex_lock(&server->lock);
    for (const struct rpc_call *call = LIST_FIRST(&server->calls); call != NULL;
         call = LIST_NEXT(call, in_calls)) {
        n++;
    }
    struct rpc_call **calls = mem_array(n + 1, sizeof calls[0]);
    *ret_n = 0;
    for (struct rpc_call *call = LIST_FIRST(&server->calls); call != NULL;
         call = LIST_NEXT(call, in_calls)) {
        call_ref(call);
        calls[(*ret_n)++] = call;
    }
    pthread_mutex_unlock(&server->lock);
    return calls;
}

static void for_all_calls(struct rpc_server *server, void (*act)(struct rpc_call *call))
{
    size_t n;
    AUTO(free) struct rpc_call **calls = take_calls(server, &n);
    for (size_t i = 0; i < n; i++) {
        act(calls[i]);
        call_unref(calls[i]);
    }
}

/* A batch on a queue that has been shut down ends the process: this comes last, with no call
 * alive. */
static void end_threads(struct rpc_server *server)
{
    cq_close(&server->stream_cq);
    cq_join(&server->stream_cq);
    for (size_t i = 0; i < server->options.n_call_threads; i++) {
        cq_close(&server->cqs[i]);
        cq_join(&server->cqs[i]);
    }
    atomic_store(&server->running, false);
}

/* Once the core shuts down it answers new calls with CANCELLED, as if their clients had cancelled
 * them. So it keeps running while calls are refused here, until every client has its status. Then
 * the connections are cut, and only then the core shuts down. */
void rpc_server_stop(struct rpc_server *server, int64_t grace_ms)
{
    atomic_store(&server->stopping, true);
    rpc_server_set_serving(server, false);
    server_kick_streams(server);
    acceptor_stop(server->acceptor);
    for_all_calls(server, call_release);
    if (!wait_until(server, serves_nobody, grace_ms)) {
        for_all_calls(server, call_refuse);
    }
    wait_until(server, has_told_all, TELLING_MS);
    acceptor_end_all(server->acceptor, LINGER_MS);
    cq_shut_server_down(server->core, &server->cqs[0], &server->down);
    grpc_server_cancel_all_calls(server->core);
    wait_quiet(server);
    end_threads(server);
}

static void free_methods(struct rpc_server *server)
{
    while (server->methods != NULL) {
        struct method *method = server->methods;
        server->methods = method->next;
        free(method->stats);
        free(method);
    }
    free(server->unknown_stats);
    free(server->services);
}

void rpc_server_free(struct rpc_server *server)
{
    if (server == NULL) {
        return;
    }
    if (!rpc_server_stopping(server)) {
        assert(!atomic_load(&server->running) &&
               "a server that runs is stopped before it is freed");
        start_threads(server); /* the core requires it before it can be freed */
        rpc_server_stop(server, 0);
    }
    grpc_server_destroy(server->core);
    for (size_t i = 0; i < server->options.n_call_threads; i++) {
        cq_fini(&server->cqs[i]);
    }
    cq_fini(&server->stream_cq);
    pthread_cond_destroy(&server->quiet);
    pthread_mutex_destroy(&server->lock);
    descriptors_free(server->descriptors);
    free_methods(server);
    free(server->health);
    free(server->cqs);
    acceptor_free(server->acceptor);
    free(server);
    core_shutdown();
}
