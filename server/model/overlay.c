#include "overlay.h"

#include <assert.h>

#include "encode.h"
#include "json.h"

static Confreg__V1__Config *decode_or_null(const struct buf *config)
{
    return config == NULL ? NULL : decode_config(config);
}

static void free_config(Confreg__V1__Config *config)
{
    if (config != NULL) {
        confreg__v1__config__free_unpacked(config, NULL);
    }
}
MEM_CLEANUP(Confreg__V1__Config, free_config)

static struct json_text payload_of(const Confreg__V1__Config *config)
{
    return (struct json_text){(const char *)config->config_data.data, config->config_data.len};
}

static bool is_gone(const Confreg__V1__Config *config)
{
    return config != NULL &&
           config->payload_state != CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_UNSPECIFIED;
}

struct buf *encode_resolved(const char *environment, const struct buf *overlay,
                            const struct buf *base)
{
    assert((overlay != NULL || base != NULL) && "there is something to resolve");
    AUTO(free_config) Confreg__V1__Config *over = decode_or_null(overlay);
    AUTO(free_config) Confreg__V1__Config *under = decode_or_null(base);
    const Confreg__V1__Config *gone = is_gone(over) ? over : is_gone(under) ? under : NULL;
    AUTO_STR merged = {0};
    Confreg__V1__Config resolved = over != NULL ? *over : *under; /* borrows all it points to */
    resolved.environment = (char *)(uintptr_t)environment;
    if (gone != NULL) {
        resolved.payload_state = gone->payload_state;
        resolved.config_data = (ProtobufCBinaryData){0};
    } else if (over != NULL && under != NULL) {
        json_merge(payload_of(under), payload_of(over), &merged);
        resolved.config_data =
            (ProtobufCBinaryData){.len = merged.len, .data = (uint8_t *)merged.data};
    }
    return encode_field(FIELD_CONFIG, &resolved.base);
}
