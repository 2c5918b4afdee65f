#include "node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "admission.h"
#include "call_account.h"
#include "charges.h"
#include "clock.h"
#include "exporter.h"
#include "failpoint.h"
#include "log.h"
#include "node_metrics.h"
#include "rpc_process.h"
#include "service.h"
#include "store_open.h"
#include "uri.h"
#include "watchdog.h"

/* At least one thread is reserved for watches and two for reads (pool.h). */
#define POOL_THREADS 4
#define READ_THREADS 3
#define WATCH_THREADS 2
#define READS_WAITING 10000
#define MAX_DEPTH 64
#define OTHER_CALLS 1000 /* most open calls of a connection beside its watches */
/* The payloads of a commit, and room for the rest of its request. */
#define MAX_REQUEST_BYTES (COMMIT_MAX_BYTES + (1u << 20))

extern const unsigned char confreg_descriptors[];
extern const size_t confreg_descriptors_size;

struct node {
    struct store *store;
    struct registry *registry;
    struct pool *pool;
    struct bus *bus;
    struct relay *relay;
    struct waiters *waiters;
    struct rpc_server *server;
    struct tls_server *tls;     /* borrowed; NULL: no TLS */
    struct access *access;      /* borrowed */
    struct call_logs *logs;     /* borrowed; NULL: calls are not logged */
    struct rpc_account account; /* of the calls, in logs */
    struct hub *hub;
    struct committer *committer;
    struct service service;
    struct exporter *exporter;
    struct limits *parties;    /* what callers use */
    struct rpc_limits charges; /* by which the server counts it */
    bool identified, insecure; /* node_options */
    int64_t grace_ms;
    void (*diverged)(void *user);
    void *user;
    bool serving;
};

static void on_committed(void *user, const struct staged *staged)
{
    struct node *node = user;
    hub_publish(node->hub, staged);
    relay_commit(node->relay, staged->commit);
}

static void on_settled(void *user, const struct position *position, bool own)
{
    struct node *node = user;
    if (own) {
        bus_wake(node->bus, position->revision);
    }
    hub_wake(node->hub);
    relay_wake(node->relay);
    waiters_advance(node->waiters, position->revision);
}

static void on_wake_up(void *user, uint64_t revision)
{
    struct node *node = user;
    committer_wake(node->committer, revision);
}

static void on_diverged(void *user)
{
    struct node *node = user;
    if (node->diverged != NULL) {
        node->diverged(node->user);
    }
}

static bool open_store(struct node *node, const struct node_options *options, struct status *st)
{
    if (!(options->may_create ? store_open : store_open_existing)(options->store, &node->store,
                                                                  st)) {
        return false;
    }
    if (node->store->is_new) {
        AUTO_STR store = {0};
        uri_add_public(&store, options->store);
        log_event(LOG_WARNING, "new_registry", "store", store.data, "message",
                  "there was no store: created a new, empty registry", NULL);
    }
    return true;
}

static bool load(struct node *node, const struct node_options *options, struct status *st)
{
    if (!open_store(node, options, st)) {
        return false;
    }
    int64_t begun = clock_monotonic_ns();
    node->registry = registry_new(node->store->identity.epoch);
    registry_set_secret_policy(node->registry, options->secret_policy);
    if (!committer_recover(node->store, node->registry, st)) {
        return false;
    }
    AUTO_STR store = {0};
    uri_add_public(&store, options->store);
    char revision[24];
    char configs[24];
    char took[24];
    snprintf(revision, sizeof revision, "%" PRIu64, registry_position(node->registry).revision);
    snprintf(configs, sizeof configs, "%" PRIu64, registry_config_count(node->registry));
    snprintf(took, sizeof took, "%" PRId64, (clock_monotonic_ns() - begun) / 1000000);
    log_event(LOG_INFO, "loaded", "store", store.data, "epoch", registry_epoch(node->registry),
              "revision", revision, "configs", configs, "took_ms", took, NULL);
    return true;
}

static bool make_server(struct node *node, const struct node_options *options, struct status *st)
{
    struct rpc_server_options server_options = {
        .n_call_threads = options->threads,
        .max_receive_bytes = MAX_REQUEST_BYTES,
        .max_streams = (uint32_t)(options->max_watches + OTHER_CALLS),
        .tls = options->tls,
        .account = options->logs == NULL ? NULL : &node->account,
        .handshake_ms = options->handshake_ms,
        .error_domain = "confreg",
        .descriptor_set = confreg_descriptors,
        .descriptor_set_size = confreg_descriptors_size,
        .admit = admission_check,
        .allow = admission_allow,
        .admit_user = &node->service,
        .release_caller = admission_release,
        .limits = &node->charges,
    };
    rpc_own_process();
    node->parties = limits_new(&options->limits);
    node->charges = charges_of(&node->service);
    return rpc_server_new(&server_options, &node->server, st);
}

static void make_parts(struct node *node, const struct node_options *options)
{
    node->waiters = waiters_new(registry_position(node->registry).revision);
    const struct pool_options pool_options = {
        .n_threads = POOL_THREADS,
        .kinds = {[JOB_READ] = {.threads = READ_THREADS, .waiting = READS_WAITING},
                  [JOB_WATCH] = {.threads = WATCH_THREADS}}, /* a stream has one job at most */
    };
    node->pool = pool_new(&pool_options);
    struct hub_options hub_options = {
        .server = node->server,
        .store = node->store,
        .registry = node->registry,
        .pool = node->pool,
        .access = options->access,
        .ring_bytes = options->ring_bytes,
        .max_of_connection = options->max_watches,
    };
    node->hub = hub_new(&hub_options);
    struct committer_options committer_options = {
        .store = node->store,
        .registry = node->registry,
        .listener = {on_committed, on_settled, on_diverged, node},
        .policy = {.keep_versions = options->compact_keep_versions,
                   .keep_age_us = options->compact_keep_age_ms * 1000,
                   .interval_us = options->compact_interval_ms * 1000},
    };
    node->committer = committer_new(&committer_options);
    const struct store_listener listener = {.grown = on_wake_up, .user = node};
    bus_listen(node->bus, on_wake_up, node);
    store_listen(node->store, &listener);
    node->service = (struct service){
        .store = node->store,
        .registry = node->registry,
        .committer = node->committer,
        .hub = node->hub,
        .pool = node->pool,
        .bus = node->bus,
        .relay = node->relay,
        .waiters = node->waiters,
        .access = options->access,
        .parties = node->parties,
        .author = options->author_trusted ? AUTHOR_TRUSTED : AUTHOR_CLAIMED,
        .logs = node->logs,
        .limits = {.max_bytes = options->max_payload_bytes, .max_depth = MAX_DEPTH},
        .start_time_us = clock_wall_us(),
    };
}

static bool listen_on(struct node *node, const char *address, struct status *st)
{
    int port = 0;
    if (!rpc_server_listen(node->server, address, &port, st)) {
        return status_context(st, "--listen");
    }
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    bool is_plain = node->tls == NULL || port == 0;
    log_event(LOG_INFO, "listening", "address", address, "port", text, "tls",
              is_plain ? "no" : "yes", NULL);
    return true;
}

typedef bool address_visitor(struct node *node, const char *address, struct status *st);

/* Visits each of the addresses with commas between them; where there is none, the whole text, which
 * is no address. */
static bool each_address(struct node *node, const char *addresses, address_visitor *visit,
                         struct status *st)
{
    AUTO(free) char *copy = mem_string(addresses);
    char *rest = NULL;
    char *address = strtok_r(copy, ",", &rest);
    bool ok = address != NULL || visit(node, addresses, st);
    for (; ok && address != NULL; address = strtok_r(NULL, ",", &rest)) {
        ok = visit(node, address, st);
    }
    return ok;
}

static bool check_listen(struct node *node, const char *text, struct status *st)
{
    struct address address;
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, st)) {
        return status_context(st, "--listen");
    }
    if (node->insecure || address_is_local(&address)) {
        return true;
    }
    if (node->tls == NULL) {
        return address_check_local(&address, text, st);
    }
    return node->identified ||
           status_set(st, STATUS_FAILED_PRECONDITION, "INSECURE_LISTENER",
                      "--listen %s would serve other machines without proof of who they are: give "
                      "--access, or --tls-client-auth require, or --insecure where the network "
                      "itself is protected",
                      text);
}

/* bus_open() parses the address and does not connect. */
static bool check_bus(const struct node_options *options, struct status *st)
{
    const struct bus_options bus_options = {.address = options->bus, .epoch = ""};
    struct bus *bus = NULL;
    if (!bus_open(&bus_options, &bus, st)) {
        return false;
    }
    bus_close(bus);
    return true;
}

/* Before a store is created for a node that could not start. */
static bool check_addresses(struct node *node, const struct node_options *options,
                            struct status *st)
{
    struct address address;
    return each_address(node, options->listen, check_listen, st) &&
           (options->metrics == NULL ||
            address_parse(options->metrics, ADDRESS_TO_LISTEN, &address, st) ||
            status_context(st, "--metrics")) &&
           check_bus(options, st);
}

static void show_metrics(void *user, struct str *page)
{
    const struct node *node = user;
    const struct node_parts parts = {
        .server = node->server,
        .tls = node->tls,
        .access = node->access,
        .logs = node->logs,
        .limits = node->parties,
        .registry = node->registry,
        .store = node->store,
        .committer = node->committer,
        .hub = node->hub,
        .pool = node->pool,
        .relay = node->relay,
    };
    node_metrics(&parts, page);
}

static bool start_relay(struct node *node, const struct node_options *options, struct status *st)
{
    struct bus_options bus_options = {
        .address = options->bus,
        .epoch = registry_epoch(node->registry),
        .user = options->bus_user,
        .password = options->bus_password,
    };
    if (!bus_open(&bus_options, &node->bus, st)) {
        return false;
    }
    struct relay_options relay_options = {
        .bus = node->bus,
        .store = node->store,
        .epoch = registry_epoch(node->registry),
        .revision = registry_position(node->registry).revision,
        .whole_log = options->publish_history,
    };
    return relay_new(&relay_options, &node->relay, st);
}

static bool start(struct node *node, const struct node_options *options, struct status *st)
{
    if (!check_addresses(node, options, st) || !load(node, options, st) ||
        !start_relay(node, options, st) || !make_server(node, options, st)) {
        return false;
    }
    make_parts(node, options);
    service_add(&node->service, node->server);
    rpc_server_add_health(node->server);
    rpc_server_add_reflection(node->server);
    if (!each_address(node, options->listen, listen_on, st)) {
        return false;
    }
    rpc_server_start(node->server);
    node->serving = true;
    rpc_server_set_serving(node->server, true);
    const struct exporter_options exporter = {
        .address = options->metrics,
        .tls = options->tls,
        .handshake_ms = options->handshake_ms,
        .render = show_metrics,
        .user = node,
    };
    return options->metrics == NULL || exporter_start(&exporter, &node->exporter, st);
}

bool node_start(const struct node_options *options, struct node **ret_node, struct status *st)
{
    struct node *node = mem_zalloc(sizeof *node);
    node->grace_ms = options->grace_ms;
    node->tls = options->tls;
    node->access = options->access;
    node->logs = options->logs;
    node->account = call_account(options->logs);
    node->identified = options->identified;
    node->insecure = options->insecure;
    node->diverged = options->diverged;
    node->user = options->user;
    if (!start(node, options, st)) {
        node_stop(node);
        return false;
    }
    *ret_node = node;
    return true;
}

static_assert(RPC_SERVER_PARTING_MS < WATCHDOG_FINISH_MS,
              "clients that do not read leave writes and the store their time to finish");

/* Ends reads that wait for a revision, then waits until all calls have ended. The committer and the
 * worker pool still run, to finish the calls. */
static void stop_serving(struct node *node)
{
    rpc_server_set_serving(node->server, false);
    exporter_stop(node->exporter);
    waiters_stop(node->waiters);
    FAILPOINT(stop_server);
    rpc_server_stop(node->server, node->grace_ms);
}

/* Called by the watchdog. After a failed start some parts are NULL. */
static void interrupt(void *user, enum watchdog_phase phase)
{
    struct node *node = user;
    if (node->committer != NULL && phase <= WATCHDOG_WRITES) {
        committer_refuse(node->committer);
    }
    if (node->store != NULL) {
        store_interrupt(node->store);
    }
}

static void end_parts(struct node *node, struct watchdog *watchdog)
{
    FAILPOINT(stop_committer);
    watchdog_enter(watchdog, WATCHDOG_WRITES);
    committer_stop(node->committer);
    waiters_free(node->waiters);
    pool_free(node->pool);
    rpc_server_free(node->server); /* before the hub, which may still be posted to its thread */
    hub_free(node->hub);
    watchdog_enter(watchdog, WATCHDOG_EVENTS);
    limits_free(node->parties); /* the server is gone, with its calls and connections */
    relay_free(node->relay, watchdog_left_ms(watchdog));
    bus_close(node->bus); /* before the committer, which wake-ups of the bus and the store use */
    if (node->store != NULL) {
        store_unlisten(node->store);
    }
    committer_free(node->committer);
    registry_free(node->registry);
    FAILPOINT(stop_store);
    watchdog_enter(watchdog, WATCHDOG_STORE);
    store_close(node->store);
}

void node_stop(struct node *node)
{
    if (node == NULL) {
        return;
    }
    struct watchdog *watchdog = watchdog_new(node->grace_ms, interrupt, node);
    if (node->serving) {
        stop_serving(node);
    }
    end_parts(node, watchdog);
    watchdog_free(watchdog);
    free(node);
}
