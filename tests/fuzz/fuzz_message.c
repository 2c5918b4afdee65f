/* Requests as they come off the wire. The first byte chooses the type. */
#include "confreg/v1/registry_service.pb-c.h"
#include "fuzz.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "mem.h"
#include "message_check.h"

static const ProtobufCMessageDescriptor *choose(uint8_t number)
{
    const ProtobufCServiceDescriptor *service = &confreg__v1__registry_service__descriptor;
    const ProtobufCMessageDescriptor *others[] = {
        &grpc__health__v1__health_check_request__descriptor,
        &grpc__reflection__v1__server_reflection_request__descriptor,
    };
    size_t n = number % (service->n_methods + COUNT_OF(others));
    return n < service->n_methods ? service->methods[n].input : others[n - service->n_methods];
}

/* An accepted message is accepted again after encoding, and is then the same. */
static void check_again(const ProtobufCMessageDescriptor *type, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    AUTO(free) uint8_t *bytes = mem_alloc(size + 1);
    AUTO(free) uint8_t *again = mem_alloc(size + 1);
    ProtobufCMessage *second = NULL;
    struct status st;
    MUST(protobuf_c_message_pack(message, bytes) == size);
    MUST(message_decode(type, bytes, size, &second, &st));
    MUST(protobuf_c_message_get_packed_size(second) == size);
    MUST(protobuf_c_message_pack(second, again) == size && memcmp(bytes, again, size) == 0);
    protobuf_c_message_free_unpacked(second, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    const ProtobufCMessageDescriptor *type = choose(take_byte(&in));
    ProtobufCMessage *message = NULL;
    struct status st;
    if (!message_decode(type, in.data, in.size, &message, &st)) {
        MUST(st.code == STATUS_INVALID_ARGUMENT && st.reason[0] != '\0');
        return 0;
    }
    check_again(type, message);
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}
