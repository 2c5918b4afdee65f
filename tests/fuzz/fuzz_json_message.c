/* Messages as JSON. The first byte chooses a method and the way: a text is read as a request, or
 * bytes are taken for a server's response and written. */
#include "fuzz.h"
#include "json.h"
#include "json_message.h"
#include "message.h"
#include "registry_client.h"

static const struct json_limits limits = {JSON_MESSAGE_MAX_BYTES, JSON_DEPTH_MAX};

#define TYPES(NAME, path, request, response) {&request##__descriptor, &response##__descriptor},
static const struct {
    const ProtobufCMessageDescriptor *request, *response;
} types[] = {REGISTRY_METHODS(TYPES)};

/* A message that was read is written, and read again as the same. */
static void check_request(const ProtobufCMessageDescriptor *type, const char *text, size_t n)
{
    ProtobufCMessage *message = NULL;
    struct status st;
    if (!json_message_read(type, text, n, &message, &st)) {
        MUST(st.reason[0] != '\0' && st.field[0] != '\0');
        return;
    }
    AUTO_STR first = {0}, second = {0};
    json_message_write(message, &first);
    message_free(message);
    MUST(json_message_read(type, first.data, first.len, &message, &st));
    json_message_write(message, &second);
    message_free(message);
    MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void check_response(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, n, bytes);
    if (message == NULL) {
        return;
    }
    AUTO_STR text = {0};
    json_message_write(message, &text);
    message_free(message);
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    MUST(json_check(text.data, text.len, &limits, "", &json, &st));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t choice = take_byte(&in);
    size_t method = choice / 2 % COUNT_OF(types);
    if (choice % 2 == 0) {
        check_request(types[method].request, (const char *)in.data, in.size);
    } else {
        check_response(types[method].response, in.data, in.size);
    }
    return 0;
}
