#include "client.h"

#include <assert.h>
#include <stdatomic.h>

#include "mem.h"

#define MAX_RECEIVE_BYTES (64u << 20)

struct method {
    const char *path;
    const ProtobufCMessageDescriptor *request, *response;
};

#define METHOD_ROW(NAME, path, request, response)                                                  \
    [CLIENT_##NAME] = {path, &request##__descriptor, &response##__descriptor},
static const struct method methods[] = {CLIENT_METHODS(METHOD_ROW)};

struct client {
    struct rpc_client *rpc;
    atomic_bool closing;
};

struct pending {
    struct client *client;
    const struct method *method;
    client_done *done;
    void *user;
};

bool client_new(const char *address, struct client **ret_client, struct status *st)
{
    struct rpc_client_options options = {.max_receive_bytes = MAX_RECEIVE_BYTES,
                                         .minimal_stack = true};
    struct rpc_client *rpc;
    if (!rpc_client_new(address, &options, &rpc, st)) {
        return false;
    }
    *ret_client = mem_zalloc(sizeof **ret_client);
    (*ret_client)->rpc = rpc;
    return true;
}

void client_free(struct client *client)
{
    if (client != NULL) {
        atomic_store(&client->closing, true);
        rpc_client_free(client->rpc);
        free(client);
    }
}

/* Only client_free cancels calls. A call that ends as cancelled otherwise lost its connection. */
static struct status as_told(const struct client *client, const struct status *st)
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

void client_call(struct client *client, enum client_method method, const ProtobufCMessage *request,
                 int64_t timeout_ms, client_done *done, void *user)
{
    assert(request->descriptor == methods[method].request);
    struct pending *call = mem_alloc(sizeof *call);
    *call =
        (struct pending){.client = client, .method = &methods[method], .done = done, .user = user};
    struct rpc_request rpc = {
        .path = methods[method].path, .message = request, .timeout_ms = timeout_ms};
    rpc_client_unary(client->rpc, &rpc, finish, call);
}

/* ---- Watches ---- */

static bool take_response(void *user, const uint8_t *bytes, size_t size)
{
    struct client_watch *watch = user;
    Confreg__V1__WatchResponse *response = confreg__v1__watch_response__unpack(NULL, size, bytes);
    watch->malformed = response == NULL;
    return response != NULL && watch->response(watch, response);
}

static void end_watch(void *user, const struct status *st)
{
    struct client_watch *watch = user;
    struct status malformed;
    if (watch->malformed) {
        status_set(&malformed, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the answer is no %s",
                   confreg__v1__watch_response__descriptor.name);
        st = &malformed;
    }
    watch->done(watch, st);
}

struct rpc_client_call *client_watch_open(struct client *client,
                                          const Confreg__V1__WatchRequest *request, bool patient,
                                          struct client_watch *watch)
{
    static const struct rpc_client_stream_ops ops = {take_response, end_watch};
    const struct rpc_request rpc = {
        .path = "/confreg.v1.RegistryService/Watch",
        .message = &request->base,
        .wait_for_ready = patient,
    };
    watch->malformed = false;
    return rpc_client_stream(client->rpc, &rpc, &ops, watch);
}

/* ---- Timers ---- */

void client_set_timer(struct client *client, struct rpc_timer *timer, int64_t at_ns)
{
    rpc_client_set_timer(client->rpc, timer, at_ns);
}

void client_clear_timer(struct client *client, struct rpc_timer *timer)
{
    rpc_client_clear_timer(client->rpc, timer);
}
