#include "payload.h"

static struct json_text payload_of(ProtobufCBinaryData data, Confreg__V1__PayloadState state)
{
    bool gone = state != CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_UNSPECIFIED;
    return (struct json_text){(const char *)data.data, gone ? 0 : data.len};
}

struct json_text payload_of_config(const Confreg__V1__Config *config)
{
    return payload_of(config->config_data, config->payload_state);
}

struct json_text payload_of_version(const Confreg__V1__Version *version)
{
    return payload_of(version->config_data, version->payload_state);
}
