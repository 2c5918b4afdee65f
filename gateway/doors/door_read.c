#include "door_read.h"

#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "errors.h"
#include "identities.h"
#include "payload.h"

/* ---- From the mirror ---- */

static bool may_read_all(const struct request *r, const struct door_request *d)
{
    for (size_t i = 0; i < d->n_environments; i++) {
        if (!identity_may_read(r->identity, d->environments[i], str_text(r->service))) {
            return false;
        }
    }
    return true;
}

/* False: the payload was removed. */
static bool take_mirrored(const struct mirror_config *config, struct door_head *head)
{
    if (config == NULL || config->version == 0) {
        return true;
    }
    head->version = config->version;
    head->mod_revision = config->mod_revision;
    head->data = (struct json_text){config->data, config->n_data};
    return config->data != NULL;
}

static void begin_heads(const struct door_request *d, const char *epoch, struct door_heads *heads)
{
    *heads = (struct door_heads){.n = d->n_environments};
    memcpy(heads->epoch, epoch, strnlen(epoch, EPOCH_DIGITS));
    for (size_t i = 0; i < heads->n; i++) {
        heads->items[i].environment = d->environments[i];
    }
}

/* False: they do not answer the request. */
static bool show_mirrored(struct request *r, struct mirror_config *const *configs,
                          const struct mirror_view *view)
{
    struct door_request *d = door_request_of(r);
    struct door_heads heads;
    if (!freshness_allows(&d->config, view)) {
        return false;
    }
    begin_heads(d, view->epoch, &heads);
    for (size_t i = 0; i < heads.n; i++) {
        if (!take_mirrored(configs[i], &heads.items[i])) {
            return false;
        }
    }
    config_answer_count_mirror(r, view);
    freshness_describe(r, view);
    d->show(r, &heads);
    return true;
}

static bool answer_from_mirror(struct request *r)
{
    const struct door_request *d = door_request_of(r);
    struct mirror *mirror = r->gateway->upstream->mirror;
    struct mirror_config *configs[DOOR_ENVIRONMENTS] = {0};
    struct mirror_view view;
    if (mirror == NULL || !may_read_all(r, d)) {
        return false;
    }
    mirror_get_several(mirror, str_text(r->service), d->environments, d->n_environments, configs,
                       &view);
    bool answered = show_mirrored(r, configs, &view);
    for (size_t i = 0; i < d->n_environments; i++) {
        mirror_config_unref(configs[i]);
    }
    return answered;
}

/* ---- From the server ---- */

/* False: the config has no payload. */
static bool take_config(const Confreg__V1__Config *config, struct door_heads *heads)
{
    struct json_text data = payload_of_config(config);
    for (size_t i = 0; i < heads->n; i++) {
        struct door_head *head = &heads->items[i];
        if (strcmp(head->environment, config->environment) == 0) {
            head->version = config->version;
            head->mod_revision = config->mod_revision;
            head->data = data;
        }
    }
    return data.len > 0;
}

static void refuse_denied(struct request *r, const Confreg__V1__ConfigName *name)
{
    struct status st;
    status_set(&st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED", "the caller may not read %s/%s",
               name->environment, name->service_name);
    errors_answer(r, &st);
}

/* The server leaves out what does not fit into its message. */
static bool check_whole(struct request *r, const Confreg__V1__BatchGetConfigsResponse *response)
{
    if (response->n_denied > 0) {
        refuse_denied(r, response->denied[0]);
        return false;
    }
    if (response->n_unprocessed > 0) {
        request_refuse(r, 503, "CONFIGS_TOO_LARGE",
                       "The configs are together too large to be asked for while the gateway's "
                       "copy is not in step");
        return false;
    }
    return true;
}

static void show_batch(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__BatchGetConfigsResponse *response = (const void *)message;
    struct door_request *d = door_request_of(r);
    struct door_heads heads;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!config_answer_is_whole(r, response->header) || !check_whole(r, response)) {
        return;
    }
    begin_heads(d, response->header->epoch, &heads);
    for (size_t i = 0; i < response->n_configs; i++) {
        if (!take_config(response->configs[i], &heads)) {
            config_answer_incomplete(r);
            return;
        }
    }
    config_answer_hand_out(r, response->header);
    d->show(r, &heads);
}

static void ask_server(struct request *r)
{
    const struct door_request *d = door_request_of(r);
    Confreg__V1__BatchGetConfigsRequest m = CONFREG__V1__BATCH_GET_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    Confreg__V1__ConfigName names[DOOR_ENVIRONMENTS];
    Confreg__V1__ConfigName *list[DOOR_ENVIRONMENTS];
    for (size_t i = 0; i < d->n_environments; i++) {
        confreg__v1__config_name__init(&names[i]);
        names[i].environment = registry_text(d->environments[i]);
        names[i].service_name = registry_text(str_text(r->service));
        list[i] = &names[i];
    }
    m.names = list;
    m.n_names = d->n_environments;
    m.include_large = true;
    m.read = config_answer_read_options(r, &read);
    metric_add(&r->gateway->configs->sources.server, 1);
    call_start(r, REGISTRY_BATCH_GET_CONFIGS, &m.base, r->gateway->upstream->timeout_ms,
               show_batch);
}

void door_read(struct request *r, door_show *show)
{
    door_request_of(r)->show = show;
    if (!answer_from_mirror(r)) {
        ask_server(r);
    }
}
