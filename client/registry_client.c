#include "registry_client.h"

#include <assert.h>
#include <stdatomic.h>

#include "mem.h"

#define MAX_RECEIVE_BYTES (64u << 20)

struct typed_method {
    const char *path;
    const ProtobufCMessageDescriptor *request, *response;
};

#define METHOD_ROW(NAME, path, request, response)                                                  \
    [REGISTRY_##NAME] = {path, &request##__descriptor, &response##__descriptor},
static const struct typed_method methods[] = {REGISTRY_METHODS(METHOD_ROW)};

struct registry_client {
    struct rpc_client *rpc;
    atomic_bool closing;
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
    return true;
}

void registry_client_reload(struct registry_client *client)
{
    rpc_client_reload(client->rpc);
}

void registry_client_free(struct registry_client *client)
{
    if (client != NULL) {
        atomic_store(&client->closing, true);
        rpc_client_free(client->rpc);
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

void registry_client_call(struct registry_client *client, enum registry_method method,
                          const ProtobufCMessage *request, int64_t timeout_ms,
                          registry_client_done *done, void *user)
{
    assert(request->descriptor == methods[method].request && "a method has its own request");
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
                                                   const Confreg__V1__WatchRequest *request,
                                                   bool patient, struct registry_watch *watch)
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

void registry_client_set_timer(struct registry_client *client, struct rpc_timer *timer,
                               int64_t at_ns)
{
    rpc_client_set_timer(client->rpc, timer, at_ns);
}

void registry_client_clear_timer(struct registry_client *client, struct rpc_timer *timer)
{
    rpc_client_clear_timer(client->rpc, timer);
}
