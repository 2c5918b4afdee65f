/* The typed calls that concern one config. */
#include <assert.h>

#include "client_call.h"
#include "client_request.h"
#include "config.h"
#include "error.h"
#include "json_message.h"
#include "message.h"
#include "options_size.h"

/* Frees the response and returns its config. */
static const struct confreg_config *config_of(ProtobufCMessage *response,
                                              const Confreg__V1__Config *config,
                                              const Confreg__V1__Position *header,
                                              struct confreg_error *error)
{
    const struct confreg_config *made = NULL;
    if (config == NULL) {
        error_set(error, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the response has no config");
    } else {
        made = config_of_message(config, header);
    }
    message_free(response);
    return made;
}

/* ---- Reads ---- */

const struct confreg_config *confreg_get(struct confreg_client *client, const char *environment,
                                         const char *service,
                                         const struct confreg_get_options *options,
                                         struct confreg_error *error)
{
    struct confreg_get_options own = CONFREG_GET_OPTIONS_INIT;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    ProtobufCMessage *request = message_new(&confreg__v1__get_config_request__descriptor);
    message_set_text(request, "environment", environment);
    message_set_text(request, "service_name", service);
    message_set_number(request, "version", own.version);
    message_set_bool(request, "resolve", own.resolve);
    message_set_bool(request, "include_deleted", own.include_deleted);
    ((Confreg__V1__GetConfigRequest *)request)->read =
        request_read(own.linearizable, own.min_revision, own.epoch);
    Confreg__V1__GetConfigResponse *response = (Confreg__V1__GetConfigResponse *)call_wait(
        client, REGISTRY_GET_CONFIG, request, own.timeout_ms, error);
    return response == NULL ? NULL
                            : config_of(&response->base, response->config, response->header, error);
}

bool confreg_diff(struct confreg_client *client, const char *environment, const char *service,
                  const struct confreg_diff_options *options, struct confreg_text *ret_diff,
                  struct confreg_error *error)
{
    struct confreg_diff_options own = CONFREG_DIFF_OPTIONS_INIT;
    if (!options_read(options, &own, sizeof own, error)) {
        return false;
    }
    ProtobufCMessage *request = message_new(&confreg__v1__diff_versions_request__descriptor);
    message_set_text(request, "environment", environment);
    message_set_text(request, "service_name", service);
    message_set_number(request, "old_version", own.old_version);
    message_set_number(request, "new_version", own.new_version);
    message_set_text(request, "new_environment", own.new_environment);
    message_set_bool(request, "include_deleted", own.include_deleted);
    Confreg__V1__DiffVersionsResponse *response = (Confreg__V1__DiffVersionsResponse *)call_wait(
        client, REGISTRY_DIFF_VERSIONS, request, own.timeout_ms, error);
    if (response == NULL) {
        return false;
    }
    struct str text = {0};
    bool has_diff = response->diff != NULL;
    if (has_diff) {
        json_message_write(&response->diff->base, &text);
        *ret_diff = (struct confreg_text){text.data, text.len};
    }
    message_free(&response->base);
    return has_diff ||
           error_set(error, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the response has no difference");
}

/* ---- Writes ---- */

/* A write, without its options. */
struct client_write {
    enum registry_method method;
    const char *environment, *service;
    const char *content; /* the field of data; NULL: there is none */
    const char *data;
    size_t n;
};

static bool set_options(ProtobufCMessage *request, const struct confreg_write_options *options,
                        struct status *st)
{
    const struct request_option all[] = {
        {.name = "created_by", .text = options->author},
        {.name = "comment", .text = options->comment},
        {.name = "request_id", .text = options->request_id},
        {.name = "expected_epoch", .text = options->expected_epoch},
        {.name = "validate_only", .number = options->validate_only, .is_bool = true},
        {.name = "allow_secrets", .number = options->allow_secrets, .is_bool = true},
        {.name = "allow_missing", .number = options->allow_missing, .is_bool = true},
        {.name = "erase", .number = options->erase, .is_bool = true},
        {.name = "version", .number = options->version},
        {.name = "expected_version", .number = options->expected_version},
        {.name = "expected_revision", .number = options->expected_revision},
        {.name = "include_large", .number = true, .is_bool = true},
    };
    return request_set(request, all, COUNT_OF(all), st);
}

/* Returns the response; NULL: the write has failed. */
static ProtobufCMessage *write_and_wait(struct confreg_client *client,
                                        const struct client_write *write,
                                        const struct confreg_write_options *options,
                                        struct confreg_error *error)
{
    struct confreg_write_options own = CONFREG_WRITE_OPTIONS_INIT;
    struct status st;
    if (!options_read(options, &own, sizeof own, error)) {
        return NULL;
    }
    ProtobufCMessage *request = message_new(registry_method_request(write->method));
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
    return call_wait(client, write->method, request, own.timeout_ms, error);
}

/* Responses of writes that return a head have its members at the same places. */
typedef Confreg__V1__UpdateConfigResponse head_response;
#define IS_HEAD_RESPONSE(type)                                                                     \
    static_assert(offsetof(type, header) == offsetof(head_response, header) &&                     \
                      offsetof(type, config) == offsetof(head_response, config),                   \
                  "the response has a head")
IS_HEAD_RESPONSE(Confreg__V1__CreateConfigResponse);
IS_HEAD_RESPONSE(Confreg__V1__RollbackConfigResponse);
IS_HEAD_RESPONSE(Confreg__V1__UndeleteConfigResponse);

static const struct confreg_config *write_head(struct confreg_client *client,
                                               const struct client_write *write,
                                               const struct confreg_write_options *options,
                                               struct confreg_error *error)
{
    head_response *response = (head_response *)write_and_wait(client, write, options, error);
    return response == NULL ? NULL
                            : config_of(&response->base, response->config, response->header, error);
}

const struct confreg_config *confreg_create(struct confreg_client *client, const char *environment,
                                            const char *service, const char *data, size_t n,
                                            const struct confreg_write_options *options,
                                            struct confreg_error *error)
{
    const struct client_write write = {REGISTRY_CREATE_CONFIG, environment, service,
                                       "config_data",          data,        n};
    return write_head(client, &write, options, error);
}

const struct confreg_config *confreg_update(struct confreg_client *client, const char *environment,
                                            const char *service, const char *data, size_t n,
                                            const struct confreg_write_options *options,
                                            struct confreg_error *error)
{
    const struct client_write write = {REGISTRY_UPDATE_CONFIG, environment, service,
                                       "config_data",          data,        n};
    return write_head(client, &write, options, error);
}

const struct confreg_config *confreg_patch(struct confreg_client *client, const char *environment,
                                           const char *service, enum confreg_patch_kind kind,
                                           const char *patch, size_t n,
                                           const struct confreg_write_options *options,
                                           struct confreg_error *error)
{
    const char *content = kind == CONFREG_JSON_PATCH ? "json_patch" : "merge_patch";
    if (kind != CONFREG_JSON_PATCH && kind != CONFREG_MERGE_PATCH) {
        error_set(error, STATUS_INVALID_ARGUMENT, "PATCH_KIND", "there is no such kind of patch");
        return NULL;
    }
    const struct client_write write = {
        REGISTRY_UPDATE_CONFIG, environment, service, content, patch, n};
    return write_head(client, &write, options, error);
}

const struct confreg_config *confreg_rollback(struct confreg_client *client,
                                              const char *environment, const char *service,
                                              const struct confreg_write_options *options,
                                              struct confreg_error *error)
{
    const struct client_write write = {
        REGISTRY_ROLLBACK_CONFIG, environment, service, NULL, NULL, 0};
    return write_head(client, &write, options, error);
}

const struct confreg_config *confreg_undelete(struct confreg_client *client,
                                              const char *environment, const char *service,
                                              const struct confreg_write_options *options,
                                              struct confreg_error *error)
{
    const struct client_write write = {
        REGISTRY_UNDELETE_CONFIG, environment, service, NULL, NULL, 0};
    return write_head(client, &write, options, error);
}

bool confreg_delete(struct confreg_client *client, const char *environment, const char *service,
                    const struct confreg_write_options *options, struct confreg_error *error)
{
    const struct client_write write = {REGISTRY_DELETE_CONFIG, environment, service, NULL, NULL, 0};
    ProtobufCMessage *response = write_and_wait(client, &write, options, error);
    message_free(response);
    return response != NULL;
}
