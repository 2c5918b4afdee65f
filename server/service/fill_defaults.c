#include "fill_defaults.h"

#include "defaults.h"
#include "encode.h"

static bool refuse(const struct service *service, struct status *st)
{
    status_set(st, STATUS_RESOURCE_EXHAUSTED, "DEFAULTS_TOO_LARGE",
               "with the defaults of its schema the value has more than %d further members, %d "
               "levels or %zu bytes",
               DEFAULTS_MEMBERS, DEFAULTS_LEVELS - 1, service->limits.max_bytes);
    return false;
}

static void add_pointers(const struct defaults_report *report, struct answer *answer)
{
    Confreg__V1__GetConfigResponse response;
    confreg__v1__get_config_response__init(&response);
    response.n_defaulted = report->n;
    response.defaulted = report->pointers;
    answer_add(answer, encode_message(&response.base));
}

/* Fills what the message has as its value. */
static bool fill(struct service *service, Confreg__V1__Config *message, struct buf **config,
                 struct answer *answer)
{
    AUTO(rule_unref)
    struct rule *rule =
        registry_rule(service->registry, message->environment, message->service_name);
    struct defaults_report report = {0};
    AUTO_STR filled = {0};
    ProtobufCBinaryData data = message->config_data;
    if (rule == NULL || data.len == 0) {
        return true;
    }
    bool ok = rule_fill_defaults(rule, (struct json_text){(const char *)data.data, data.len}, false,
                                 service->limits.max_bytes, &filled, &report);
    if (ok && report.n > 0) {
        message->config_data =
            (ProtobufCBinaryData){.len = filled.len, .data = (uint8_t *)filled.data};
        buf_unref(*config);
        *config = encode_field(FIELD_CONFIG, &message->base);
        message->config_data = data;
        add_pointers(&report, answer);
    }
    defaults_report_fini(&report);
    return ok;
}

bool fill_defaults(struct service *service, struct buf **config, struct answer *answer,
                   struct status *st)
{
    Confreg__V1__Config *message = decode_config(*config);
    bool ok = fill(service, message, config, answer);
    confreg__v1__config__free_unpacked(message, NULL);
    return ok || refuse(service, st);
}

bool add_defaults(struct service *service, const char *environment, const char *service_name,
                  struct answer *answer, struct status *st)
{
    static const struct json_text empty = {"{}", 2};
    AUTO(rule_unref)
    struct rule *rule =
        registry_rule(service->registry, key_environment(environment), service_name);
    struct defaults_report report = {0};
    AUTO_STR filled = {0};
    if (rule == NULL || !head_is_named(rule_head(rule), environment, service_name)) {
        return true; /* it has been deleted meanwhile */
    }
    bool ok = rule_fill_defaults(rule, empty, true, service->limits.max_bytes, &filled, &report);
    if (ok) {
        Confreg__V1__GetSchemaResponse response;
        confreg__v1__get_schema_response__init(&response);
        response.defaults =
            (ProtobufCBinaryData){.len = filled.len, .data = (uint8_t *)filled.data};
        answer_add(answer, encode_message(&response.base));
    }
    defaults_report_fini(&report);
    return ok || refuse(service, st);
}
