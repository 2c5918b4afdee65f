/* Writes of one config, and the difference between two of its versions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "errors.h"
#include "render.h"
#include "routes.h"

/* protobuf-c's members are not const; what it encodes it does not change. */
static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)borrowed;
}

static ProtobufCBinaryData bytes_of(struct json_text json)
{
    return (ProtobufCBinaryData){.len = json.len, .data = (uint8_t *)(uintptr_t)json.data};
}

/* ---- POST ---- */

static void answer_document(struct request *r, unsigned status, const Confreg__V1__Position *header,
                            const Confreg__V1__Config *config)
{
    char tag[ETAG_SIZE];
    if (!render_config(&r->response.body, config, DOCUMENT_ALL)) {
        config_answer_incomplete(r);
        return;
    }
    etag_format(header->epoch, config->mod_revision, tag);
    config_answer_add_tag(r, config->version, tag);
    request_answer(r, status);
    config_answer_hand_out_when_seen(r, header);
}

static void refuse_existing(struct request *r, const struct status *st)
{
    if (!conditions_refuse_existing(r, st)) {
        request_refuse_status(r, 400, st,
                              "Configuration for %s/%s already exists. Use update instead.",
                              str_text(r->service), r->parameters.environment);
    }
}

static void show_created(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__CreateConfigResponse *response = (const void *)message;
    if (st != NULL && st->code == STATUS_ALREADY_EXISTS) {
        refuse_existing(r, st);
    } else if (st != NULL) {
        errors_answer(r, st);
    } else if (config_answer_is_whole(r, response->header) &&
               config_answer_is_whole(r, response->config)) {
        r->gateway->configs->counters.configs_created++;
        answer_document(r, 201, response->header, response->config);
    }
}

void handle_create(struct request *r)
{
    if (config_request_of(r)
            ->conditions.match.given) { /* a create needs that no config is there to match */
        request_refuse(r, 412, "REVISION_MISMATCH", "What If-Match names cannot be created");
        return;
    }
    Confreg__V1__CreateConfigRequest m = CONFREG__V1__CREATE_CONFIG_REQUEST__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.config_data = bytes_of(r->body.config_data);
    m.comment = text(str_text(&r->body.comment));
    if (r->body.has_created_by) {
        m.created_by = text(str_text(&r->body.created_by));
        m.created_by_empty = r->body.created_by.len == 0;
    }
    call_start(r, REGISTRY_CREATE_CONFIG, &m.base, r->gateway->upstream->timeout_ms, show_created);
}

/* ---- PUT, PATCH ---- */

/* PUT answers 400, as documented; the other methods answer 404. */
static void refuse_missing(struct request *r)
{
    if (r->route->body == BODY_CONFIG) {
        request_refuse(r, 400, "CONFIG_NOT_FOUND",
                       "Configuration for %s/%s does not exist. Use create instead.",
                       str_text(r->service), r->parameters.environment);
    } else {
        request_refuse(r, 404, "CONFIG_NOT_FOUND", "Configuration not found");
    }
}

/* A write of a new version has failed. */
static void refuse_update(struct request *r, const struct status *st)
{
    switch (conditions_after(r, st)) {
    case CONDITIONS_RETRY:
        r->route->handler(r);
        break;
    case CONDITIONS_MISSING:
        refuse_missing(r);
        break;
    case CONDITIONS_OTHER:
        errors_answer(r, st);
        break;
    case CONDITIONS_ANSWERED:
        break;
    }
}

static void answer_updated(struct request *r, const Confreg__V1__Position *header,
                           const Confreg__V1__Config *config)
{
    if (config_answer_is_whole(r, header) && config_answer_is_whole(r, config)) {
        r->gateway->configs->counters.configs_updated++;
        answer_document(r, 200, header, config);
    }
}

static void show_updated(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__UpdateConfigResponse *response = (const void *)message;
    if (st != NULL) {
        refuse_update(r, st);
    } else {
        answer_updated(r, response->header, response->config);
    }
}

/* Fills what both kinds of update have in common, and starts the call. */
static void start_update(struct request *r, Confreg__V1__UpdateConfigRequest *m,
                         const char *comment, const char *created_by)
{
    if (!conditions_expect(r, &m->expected_epoch, &m->expected_revision)) {
        return;
    }
    m->environment = r->parameters.environment;
    m->service_name = text(str_text(r->service));
    m->comment = text(comment);
    if (created_by != NULL) {
        m->created_by = text(created_by);
        m->created_by_empty = created_by[0] == '\0';
    }
    call_start(r, REGISTRY_UPDATE_CONFIG, &m->base, r->gateway->upstream->timeout_ms, show_updated);
}

static const char *author_of(const struct request *r)
{
    return r->body.has_created_by ? str_text(&r->body.created_by) : NULL;
}

void handle_update(struct request *r)
{
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    m.config_data = bytes_of(r->body.config_data);
    start_update(r, &m, str_text(&r->body.comment), author_of(r));
}

void handle_patch(struct request *r)
{
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    const struct parameters *p = &r->parameters;
    m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_MERGE_PATCH;
    m.merge_patch = bytes_of(r->body.config_data);
    start_update(r, &m, p->comment == NULL ? "" : p->comment, p->created_by);
}

/* ---- Rollback ---- */

static void show_rolled_back(struct request *r, const ProtobufCMessage *message,
                             const struct status *st)
{
    const Confreg__V1__RollbackConfigResponse *response = (const void *)message;
    if (st != NULL && st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        request_refuse(r, 404, "VERSION_NOT_FOUND", "Version %s not found", r->body.version.text);
    } else if (st != NULL) {
        refuse_update(r, st);
    } else {
        answer_updated(r, response->header, response->config);
    }
}

void handle_rollback(struct request *r)
{
    Confreg__V1__RollbackConfigRequest m = CONFREG__V1__ROLLBACK_CONFIG_REQUEST__INIT;
    if (!conditions_expect(r, &m.expected_epoch, &m.expected_revision)) {
        return;
    }
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.version = number_version(&r->body.version, VERSION_NEVER);
    m.comment = text(str_text(&r->body.comment));
    if (r->body.has_created_by) {
        m.created_by = text(str_text(&r->body.created_by));
        m.created_by_empty = r->body.created_by.len == 0;
    }
    call_start(r, REGISTRY_ROLLBACK_CONFIG, &m.base, r->gateway->upstream->timeout_ms,
               show_rolled_back);
}

/* ---- DELETE ---- */

static void answer_deleted(struct request *r, uint64_t count)
{
    r->gateway->configs->counters.configs_deleted += count;
    str_addf(&r->response.body, "{\"deleted\":%" PRIu64 "}", count);
    request_answer(r, 200);
}

/* No config is left that could have a tag. X-Config-Revision is the position, to be passed to other
 * gateways as X-Config-Min-Revision. */
static void answer_gone(struct request *r, const Confreg__V1__DeleteConfigResponse *response)
{
    if (!config_answer_is_whole(r, response->header)) {
        return;
    }
    char tag[ETAG_SIZE];
    etag_format(response->header->epoch, response->header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    answer_deleted(r, response->deleted_count);
    config_answer_hand_out_when_seen(r, response->header);
}

static void refuse_delete(struct request *r, const struct status *st)
{
    if (st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        answer_deleted(r, 0);
    } else {
        errors_answer(r, st);
    }
}

static void show_deleted(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__DeleteConfigResponse *response = (const void *)message;
    if (st == NULL) {
        answer_gone(r, response);
        return;
    }
    switch (conditions_after(r, st)) {
    case CONDITIONS_RETRY:
        handle_delete(r);
        break;
    case CONDITIONS_MISSING:
        answer_deleted(r, 0);
        break;
    case CONDITIONS_OTHER:
        refuse_delete(r, st);
        break;
    case CONDITIONS_ANSWERED:
        break;
    }
}

void handle_delete(struct request *r)
{
    Confreg__V1__DeleteConfigRequest m = CONFREG__V1__DELETE_CONFIG_REQUEST__INIT;
    if (!conditions_expect(r, &m.expected_epoch, &m.expected_revision)) {
        return;
    }
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.version = number_version(&r->parameters.version, VERSION_NEVER);
    m.allow_missing = true;
    call_start(r, REGISTRY_DELETE_CONFIG, &m.base, r->gateway->upstream->timeout_ms, show_deleted);
}

/* ---- Difference ---- */

/* Whether the server did not find the new version, which it looks up first. */
static bool misses_new(const struct parameters *p, const struct status *st)
{
    char wanted[21];
    snprintf(wanted, sizeof wanted, "%" PRIu64,
             number_version(&p->new_version, VERSION_NEVER_EITHER));
    for (size_t i = 0; i < st->n_info; i++) {
        if (strcmp(st->info[i].key, "version") == 0) {
            return strcmp(st->info[i].value, wanted) == 0;
        }
    }
    return p->new_version.given;
}

static void refuse_version(struct request *r, const struct status *st)
{
    const struct parameters *p = &r->parameters;
    const char *number = misses_new(p, st) ? p->new_version.text : p->old_version.text;
    request_refuse(r, 400, "VERSION_NOT_FOUND", "Version %s not found",
                   number == NULL ? "to compare" : number);
}

static void show_diff(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__DiffVersionsResponse *response = (const void *)message;
    if (st == NULL) {
        if (config_answer_is_whole(r, response->header) &&
            config_answer_is_whole(r, response->diff)) {
            config_answer_hand_out(r, response->header);
            render_diff(&r->response.body, response->diff);
            request_answer(r, 200);
        }
    } else if (st->outcome == OUTCOME_NOT_ENOUGH_VERSIONS) {
        request_refuse(r, 400, "NOT_ENOUGH_VERSIONS", "Not enough versions to compare");
    } else if (st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        refuse_version(r, st);
    } else {
        errors_answer(r, st);
    }
}

void handle_diff(struct request *r)
{
    Confreg__V1__DiffVersionsRequest m = CONFREG__V1__DIFF_VERSIONS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.old_version = number_version(&r->parameters.old_version, VERSION_NEVER);
    m.new_version = number_version(&r->parameters.new_version, VERSION_NEVER_EITHER);
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_DIFF_VERSIONS, &m.base, r->gateway->upstream->timeout_ms, show_diff);
}
