#include <string.h>

#include "builtin.h"

#include "bytes.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "message_check.h"
#include <assert.h>

/* The two versions differ only in their package: the messages on the wire are the same. */
typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;
typedef Grpc__Reflection__V1__ErrorResponse error_response;

struct reflection {
    struct rpc_server *server;
    struct rpc_stream *stream;
    struct buf *answer; /* to be sent */
    bool reading;
    bool done; /* with st: the client has said all, or nonsense */
    struct status st;
};

/* ---- Answers, each sent by the function that makes it ---- */

static void send(struct reflection *reflection, const reflection_request *request,
                 reflection_response *response)
{
    assert(reflection->answer == NULL && "a request is read when the last answer has left");
    response->valid_host = request->host;
    response->original_request = (reflection_request *)(uintptr_t)request;
    reflection->answer =
        buf_new(grpc__reflection__v1__server_reflection_response__get_packed_size(response));
    grpc__reflection__v1__server_reflection_response__pack(response, reflection->answer->data);
}

static void send_error(struct reflection *reflection, const reflection_request *request,
                       enum status_code code, const char *message)
{
    error_response error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = (int32_t)code;
    error.error_message = (char *)(uintptr_t)message;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &error;
    send(reflection, request, &response);
}

static void send_file(struct reflection *reflection, const reflection_request *request, int file)
{
    if (file < 0) {
        send_error(reflection, request, STATUS_NOT_FOUND, "there is no such file or symbol");
        return;
    }
    const struct descriptors *set = reflection->server->descriptors;
    AUTO(free) int *files = mem_array(descriptors_count(set), sizeof files[0]);
    size_t n = descriptors_closure(set, file, files);
    AUTO(free) ProtobufCBinaryData *bytes = mem_array(n, sizeof bytes[0]);
    for (size_t i = 0; i < n; i++) {
        bytes[i].data = (uint8_t *)(uintptr_t)descriptors_bytes(set, files[i], &bytes[i].len);
    }
    Grpc__Reflection__V1__FileDescriptorResponse found =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    found.n_file_descriptor_proto = n;
    found.file_descriptor_proto = bytes;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &found;
    send(reflection, request, &response);
}

static void answer_file_name(struct reflection *reflection, const reflection_request *request)
{
    send_file(reflection, request,
              descriptors_find_file(reflection->server->descriptors, request->file_by_filename));
}

static void answer_symbol(struct reflection *reflection, const reflection_request *request)
{
    send_file(
        reflection, request,
        descriptors_find_symbol(reflection->server->descriptors, request->file_containing_symbol));
}

/* None of our messages has extensions. */
static void answer_extension(struct reflection *reflection, const reflection_request *request)
{
    send_error(reflection, request, STATUS_NOT_FOUND, "there is no such extension");
}

static void answer_extension_numbers(struct reflection *reflection,
                                     const reflection_request *request)
{
    const char *type = request->all_extension_numbers_of_type;
    if (!descriptors_is_message(reflection->server->descriptors, type)) {
        send_error(reflection, request, STATUS_NOT_FOUND, "there is no such message type");
        return;
    }
    Grpc__Reflection__V1__ExtensionNumberResponse none =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    none.base_type_name = (char *)(uintptr_t)type;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response.all_extension_numbers_response = &none;
    send(reflection, request, &response);
}

static void answer_services(struct reflection *reflection, const reflection_request *request)
{
    typedef Grpc__Reflection__V1__ServiceResponse service;
    const struct rpc_server *server = reflection->server;
    AUTO(free) service *services = mem_array(server->n_services, sizeof services[0]);
    AUTO(free) service **pointers = mem_array(server->n_services, sizeof pointers[0]);
    for (size_t i = 0; i < server->n_services; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        services[i].name = (char *)(uintptr_t)server->services[i]->descriptor->name;
        pointers[i] = &services[i];
    }
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    list.n_service = server->n_services;
    list.service = pointers;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &list;
    send(reflection, request, &response);
}

static void answer_nothing(struct reflection *reflection, const reflection_request *request)
{
    send_error(reflection, request, STATUS_INVALID_ARGUMENT, "the request asks for nothing");
}

static void answer(struct reflection *reflection, const reflection_request *request)
{
#define CASE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
    static void (*const answers[])(struct reflection *, const reflection_request *) = {
        [CASE(_NOT_SET)] = answer_nothing,
        [CASE(FILE_BY_FILENAME)] = answer_file_name,
        [CASE(FILE_CONTAINING_SYMBOL)] = answer_symbol,
        [CASE(FILE_CONTAINING_EXTENSION)] = answer_extension,
        [CASE(ALL_EXTENSION_NUMBERS_OF_TYPE)] = answer_extension_numbers,
        [CASE(LIST_SERVICES)] = answer_services,
    };
#undef CASE
    answers[request->message_request_case](reflection, request);
}

/* ---- The stream: read one, answer one ---- */

static void read_request(struct reflection *reflection, grpc_byte_buffer *bytes)
{
    struct bytes_view view;
    ProtobufCMessage *request = NULL;
    bytes_open(&view, bytes);
    reflection->done = !message_decode(&grpc__reflection__v1__server_reflection_request__descriptor,
                                       view.data, view.size, &request, &reflection->st);
    bytes_close(&view);
    if (!reflection->done) {
        answer(reflection, (const reflection_request *)(const void *)request);
        protobuf_c_message_free_unpacked(request, NULL);
    }
}

static void request_received(void *state, grpc_byte_buffer *bytes)
{
    struct reflection *reflection = state;
    assert(reflection->reading && "a request comes only when one is awaited");
    reflection->reading = false;
    if (bytes == NULL) {
        reflection->done = true;
    } else {
        read_request(reflection, bytes);
    }
    rpc_stream_kick(reflection->stream);
}

static enum rpc_next next_answer(void *state, struct rpc_pieces *pieces, struct status *st)
{
    struct reflection *reflection = state;
    if (reflection->answer != NULL) {
        pieces->items[pieces->n++] = MOVE(reflection->answer);
        return RPC_NEXT_MESSAGE;
    }
    if (reflection->done) {
        *st = reflection->st;
        return RPC_NEXT_END;
    }
    if (rpc_server_stopping(reflection->server)) {
        status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
        return RPC_NEXT_END;
    }
    if (!reflection->reading) {
        reflection->reading = true;
        stream_receive(reflection->stream, request_received);
    }
    return RPC_NEXT_IDLE;
}

static void closed(void *state)
{
    (void)state;
}

static void released(void *state)
{
    struct reflection *reflection = state;
    buf_unref(reflection->answer);
    free(reflection);
}

static void info(struct rpc_call *call, const ProtobufCMessage *none, void *user)
{
    static const struct rpc_stream_ops ops = {
        .next = next_answer, .closed = closed, .released = released};
    (void)none;
    struct reflection *reflection = mem_zalloc(sizeof *reflection);
    reflection->server = user;
    rpc_stream_open(call, &ops, reflection, &reflection->stream);
}

const struct reflection_version reflection_versions[2] = {
    {&grpc__reflection__v1__server_reflection__descriptor,
     {"ServerReflectionInfo", RPC_SERVER_STREAM, info}},
    {&grpc__reflection__v1alpha__server_reflection__descriptor,
     {"ServerReflectionInfo", RPC_SERVER_STREAM, info}},
};
