#include <string.h>

#include "builtin.h"
#include "grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct health {
    struct rpc_server *server;
    atomic_bool serving;
    struct rpc_service service;
};

struct watcher {
    struct health *health;
    bool known; /* the service exists */
    bool told;  /* this status: */
    serving_status status;
};

/* ---- Status ---- */

static serving_status current(const struct health *health)
{
    return atomic_load(&health->serving) ? SERVING : NOT_SERVING;
}

static bool is_ours(const struct health *health, const char *service)
{
    const struct rpc_server *server = health->server;
    bool found = service[0] == '\0';
    for (size_t i = 0; i < server->n_services && !found; i++) {
        found = strcmp(server->services[i]->descriptor->name, service) == 0;
    }
    return found;
}

void health_set(struct health *health, bool serving)
{
    atomic_store(&health->serving, serving);
    server_kick_streams(health->server); /* health watches are streams, too */
}

/* ---- Check and List ---- */

static void check(struct rpc_call *call, const check_request *request, struct health *health)
{
    if (!is_ours(health, request->service)) {
        struct status st;
        status_set(&st, STATUS_NOT_FOUND, "SERVICE_UNKNOWN", "there is no service %s",
                   request->service);
        rpc_fail(call, &st);
        return;
    }
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = current(health);
    rpc_reply(call, &response.base);
}

static void list(struct rpc_call *call, const Grpc__Health__V1__HealthListRequest *request,
                 struct health *health)
{
    (void)request;
    typedef Grpc__Health__V1__HealthListResponse__StatusesEntry entry;
    check_response status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    status.status = current(health);
    size_t n = health->server->n_services + 1;
    AUTO(free) entry *entries = mem_array(n, sizeof entries[0]);
    AUTO(free) entry **pointers = mem_array(n, sizeof pointers[0]);
    for (size_t i = 0; i < n; i++) {
        grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
        const char *name = i == 0 ? "" : health->server->services[i - 1]->descriptor->name;
        entries[i].key = (char *)(uintptr_t)name;
        entries[i].value = &status;
        pointers[i] = &entries[i];
    }
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    response.n_statuses = n;
    response.statuses = pointers;
    rpc_reply(call, &response.base);
}

/* ---- Watch ---- */

static struct buf *encode(serving_status status)
{
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status;
    struct buf *bytes =
        buf_new(grpc__health__v1__health_check_response__get_packed_size(&response));
    grpc__health__v1__health_check_response__pack(&response, bytes->data);
    return bytes;
}

static enum rpc_next next_status(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct watcher *watcher = state;
    serving_status status = watcher->known ? current(watcher->health) : SERVICE_UNKNOWN;
    if (!watcher->told || watcher->status != status) {
        watcher->told = true;
        watcher->status = status;
        pieces->items[pieces->n++] = encode(status);
        return RPC_NEXT_MESSAGE;
    }
    if (rpc_server_stopping(watcher->health->server)) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
        return RPC_NEXT_END;
    }
    return RPC_NEXT_IDLE;
}

static void forget(void *state)
{
    (void)state;
}

static void watch(struct rpc_call *call, const check_request *request, struct health *health)
{
    static const struct rpc_stream_ops ops = {
        .next = next_status, .closed = forget, .released = free};
    struct watcher *watcher = mem_zalloc(sizeof *watcher);
    watcher->health = health;
    watcher->known = is_ours(health, request->service);
    rpc_stream_open(call, &ops, watcher, NULL);
}

/* ---- The service ---- */

RPC_HANDLER(check, check_request, struct health)
RPC_HANDLER(list, Grpc__Health__V1__HealthListRequest, struct health)
RPC_HANDLER(watch, check_request, struct health)

struct health *health_new(struct rpc_server *server)
{
    static const struct rpc_method methods[] = {
        {"Check", RPC_UNARY, check_thunk},
        {"List", RPC_UNARY, list_thunk},
        {"Watch", RPC_SERVER_STREAM, watch_thunk},
    };
    struct health *health = mem_zalloc(sizeof *health);
    health->server = server;
    health->service = (struct rpc_service){
        .descriptor = &grpc__health__v1__health__descriptor,
        .methods = methods,
        .n_methods = COUNT_OF(methods),
        .user = health,
    };
    return health;
}

const struct rpc_service *health_service(const struct health *health)
{
    return &health->service;
}
