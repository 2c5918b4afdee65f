/* The typed calls. */
#include <string.h>

#include "call.h"
#include "config.h"
#include "error.h"
#include "message.h"
#include "options_size.h"

/* The config of a response. */
static const struct confreg_config *config_of(const Confreg__V1__Config *config,
                                              const Confreg__V1__Position *header,
                                              struct confreg_error *error)
{
    if (config == NULL) {
        error_set(error, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the response has no config");
        return NULL;
    }
    return config_of_message(config, header);
}

/* ---- Reads ---- */

static ProtobufCMessage *get_request(const char *environment, const char *service,
                                     const struct confreg_get_options *options)
{
    ProtobufCMessage *request = message_new(&confreg__v1__get_config_request__descriptor);
    message_set_text(request, "environment", environment);
    message_set_text(request, "service_name", service);
    message_set_number(request, "version", options->version);
    message_set_bool(request, "resolve", options->resolve);
    message_set_bool(request, "include_deleted", options->include_deleted);
    ProtobufCMessage *read = message_new(&confreg__v1__read_options__descriptor);
    message_set_number(read, "min_revision", options->min_revision);
    message_set_text(read, "epoch", options->epoch);
    message_set_number(read, "consistency",
                       options->linearizable ? CONFREG__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE
                                             : 0);
    ((Confreg__V1__GetConfigRequest *)request)->read = (Confreg__V1__ReadOptions *)read;
    return request;
}

const struct confreg_config *confreg_get(struct confreg_client *client, const char *environment,
                                         const char *service,
                                         const struct confreg_get_options *options,
                                         struct confreg_error *error)
{
    struct confreg_get_options own = CONFREG_GET_OPTIONS_INIT;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    ProtobufCMessage *request = get_request(environment, service, &own);
    Confreg__V1__GetConfigResponse *response = (Confreg__V1__GetConfigResponse *)call_wait(
        client, REGISTRY_GET_CONFIG, request, own.deadline_ms, error);
    if (response == NULL) {
        return NULL;
    }
    const struct confreg_config *config = config_of(response->config, response->header, error);
    message_free(&response->base);
    return config;
}

/* ---- Writes ---- */

/* What is written, beyond the options. */
struct write {
    enum registry_method method;
    const ProtobufCMessageDescriptor *request;
    const char *content; /* the field of data; NULL: there is none */
    const char *environment, *service;
    const char *data;
    size_t n;
};

/* An option that was set: the request must have a field for it. */
static bool has_field(const ProtobufCMessage *request, bool is_set, const char *name,
                      struct status *st)
{
    bool has = protobuf_c_message_descriptor_get_field_by_name(request->descriptor, name) != NULL;
    return !is_set || has ||
           status_bad_field(st, name, "OPTION_UNUSED", "this call has no such option");
}

static bool set_options(ProtobufCMessage *request, const struct confreg_write_options *options,
                        struct status *st)
{
    const struct {
        const char *name, *text;
    } texts[] = {
        {"created_by", options->author},
        {"comment", options->comment},
        {"request_id", options->request_id},
        {"expected_epoch", options->expected_epoch},
    };
    const struct {
        const char *name;
        uint64_t number;
        bool is_bool;
    } numbers[] = {
        {"validate_only", options->validate_only, true},
        {"allow_secrets", options->allow_secrets, true},
        {"allow_missing", options->allow_missing, true},
        {"erase", options->erase, true},
        {"version", options->version, false},
        {"expected_version", options->expected_version, false},
        {"expected_revision", options->expected_revision, false},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!has_field(request, texts[i].text != NULL, texts[i].name, st)) {
            return false;
        }
        if (texts[i].text != NULL) {
            message_set_text(request, texts[i].name, texts[i].text);
        }
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (!has_field(request, numbers[i].number != 0, numbers[i].name, st)) {
            return false;
        }
        if (numbers[i].is_bool) {
            message_set_bool(request, numbers[i].name, numbers[i].number != 0);
        } else {
            message_set_number(request, numbers[i].name, numbers[i].number);
        }
    }
    return true;
}

/* Returns the response; NULL: the write has failed. */
static ProtobufCMessage *write_and_wait(struct confreg_client *client, const struct write *write,
                                        const struct confreg_write_options *options,
                                        struct confreg_error *error)
{
    struct confreg_write_options own = CONFREG_WRITE_OPTIONS_INIT;
    struct status st;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    ProtobufCMessage *request = message_new(write->request);
    message_set_text(request, "environment", write->environment);
    message_set_text(request, "service_name", write->service);
    if (write->content != NULL) {
        message_set_bytes(request, write->content, write->data, write->n);
    }
    if (!set_options(request, &own, &st)) {
        error_of(error, &st);
        message_free(request);
        return NULL;
    }
    return call_wait(client, write->method, request, own.deadline_ms, error);
}

const struct confreg_config *confreg_create(struct confreg_client *client, const char *environment,
                                            const char *service, const char *data, size_t n,
                                            const struct confreg_write_options *options,
                                            struct confreg_error *error)
{
    const struct write write = {REGISTRY_CREATE_CONFIG,
                                &confreg__v1__create_config_request__descriptor,
                                "config_data",
                                environment,
                                service,
                                data,
                                n};
    Confreg__V1__CreateConfigResponse *response =
        (Confreg__V1__CreateConfigResponse *)write_and_wait(client, &write, options, error);
    if (response == NULL) {
        return NULL;
    }
    const struct confreg_config *config = config_of(response->config, response->header, error);
    message_free(&response->base);
    return config;
}

const struct confreg_config *confreg_update(struct confreg_client *client, const char *environment,
                                            const char *service, const char *data, size_t n,
                                            const struct confreg_write_options *options,
                                            struct confreg_error *error)
{
    const struct write write = {REGISTRY_UPDATE_CONFIG,
                                &confreg__v1__update_config_request__descriptor,
                                "config_data",
                                environment,
                                service,
                                data,
                                n};
    Confreg__V1__UpdateConfigResponse *response =
        (Confreg__V1__UpdateConfigResponse *)write_and_wait(client, &write, options, error);
    if (response == NULL) {
        return NULL;
    }
    const struct confreg_config *config = config_of(response->config, response->header, error);
    message_free(&response->base);
    return config;
}
