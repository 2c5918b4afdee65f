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
#include "write_options.h"

static ProtobufCBinaryData bytes_of(struct json_text json)
{
    return (ProtobufCBinaryData){.len = json.len, .data = (uint8_t *)(uintptr_t)json.data};
}

/* ---- POST ---- */

/* A config that has to be missing has no tag that If-Match could name. */
static bool refuse_match(struct request *r)
{
    bool given = config_request_of(r)->conditions.match.given;
    if (given) {
        request_refuse(r, 412, "REVISION_MISMATCH", "What If-Match names cannot be created");
    }
    return given;
}

static void refuse_existing(struct request *r, const struct status *st)
{
    if (!conditions_refuse_existing(r, st)) {
        request_refuse_status(r, 400, st,
                              "Configuration for %s/%s already exists. Use update instead.",
                              str_text(r->service), r->parameters.environment);
    }
}

static void answer_created(struct request *r, const ProtobufCMessage *message)
{
    const Confreg__V1__CreateConfigResponse *response = (const void *)message;
    config_answer_written(r, 201, &CONFIG_WRITTEN(response));
}

static void show_created(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    if (st == NULL) {
        answer_created(r, message);
    } else if (st->outcome == OUTCOME_CONFIG_EXISTS) {
        refuse_existing(r, st);
    } else {
        errors_answer(r, st);
    }
}

static void start_create(struct request *r, call_next *next)
{
    Confreg__V1__CreateConfigRequest m = CONFREG__V1__CREATE_CONFIG_REQUEST__INIT;
    const struct write_options options = write_options_of(r);
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.config_data = bytes_of(r->body.config_data);
    m.include_large = true;
    VALUE_OPTIONS_PUT(&options, &m);
    call_start(r, REGISTRY_CREATE_CONFIG, &m.base, r->gateway->upstream->timeout_ms, next);
}

void handle_create(struct request *r)
{
    if (!refuse_match(r)) {
        start_create(r, show_created);
    }
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

static void answer_updated(struct request *r, const ProtobufCMessage *message)
{
    const Confreg__V1__UpdateConfigResponse *response = (const void *)message;
    const Confreg__V1__Config *config = response->config;
    bool is_new = config != NULL && config->kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE;
    config_answer_written(r, is_new ? 201 : 200, &CONFIG_WRITTEN(response));
}

static void show_updated(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    if (st == NULL) {
        answer_updated(r, message);
    } else {
        refuse_update(r, st);
    }
}

/* Fills what all updates have in common, and starts the call. */
static void start_update(struct request *r, Confreg__V1__UpdateConfigRequest *m, call_next *next)
{
    const struct write_options options = write_options_of(r);
    if (!conditions_expect(r, &m->expected_epoch, &m->expected_revision)) {
        return;
    }
    m->environment = r->parameters.environment;
    m->include_large = true;
    m->service_name = registry_text(str_text(r->service));
    VALUE_OPTIONS_PUT(&options, m);
    call_start(r, REGISTRY_UPDATE_CONFIG, &m->base, r->gateway->upstream->timeout_ms, next);
}

void handle_patch(struct request *r)
{
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    if (r->body.patch_kind == PATCH_JSON) {
        m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_JSON_PATCH;
        m.json_patch = bytes_of(r->body.config_data);
    } else {
        m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_MERGE_PATCH;
        m.merge_patch = bytes_of(r->body.config_data);
    }
    start_update(r, &m, show_updated);
}

/* A PUT that may create the config, and finds none, creates it by CreateConfig: no update can
 * require that there is no config. */
static void show_put_created(struct request *r, const ProtobufCMessage *message,
                             const struct status *st)
{
    if (st == NULL) {
        answer_created(r, message);
    } else {
        refuse_update(r, st);
    }
}

static bool creates_only(const struct conditions *c)
{
    return c->none.any && !c->match.given;
}

/* Whether the failed update is to be tried as a create: there is no config; or the first attempt of
 * this request, which this one repeats, created it. */
static bool becomes_create(struct request *r, const struct status *st)
{
    const struct conditions *c = &config_request_of(r)->conditions;
    return r->parameters.upsert && !c->match.given && c->none.given &&
           (conditions_finds_none(st) || st->outcome == OUTCOME_REQUEST_ID_REUSED);
}

static void show_put(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    if (st == NULL) {
        answer_updated(r, message);
    } else if (becomes_create(r, st)) {
        start_create(r, show_put_created);
    } else {
        refuse_update(r, st);
    }
}

void handle_update(struct request *r)
{
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    if (creates_only(&config_request_of(r)->conditions)) {
        start_create(r, show_put_created);
        return;
    }
    m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    m.config_data = bytes_of(r->body.config_data);
    m.allow_missing = r->parameters.upsert;
    start_update(r, &m, show_put);
}

/* ---- Copy ---- */

static void show_copied(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    if (st == NULL) {
        answer_updated(r, message);
    } else if (st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        request_refuse(r, 404, "VERSION_NOT_FOUND", "Version %s not found", r->body.version.text);
    } else {
        refuse_update(r, st);
    }
}

/* Whether there is a config or not; a condition can only demand one. */
void handle_copy(struct request *r)
{
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    if (config_request_of(r)->conditions.none.given) {
        struct invalid invalid = {0};
        invalid_add(&invalid, "header", "If-None-Match", FAULT_UNKNOWN,
                    "A copy takes If-Match only");
        request_refuse_invalid(r, &invalid);
        invalid_fini(&invalid);
        return;
    }
    m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_SOURCE_ENVIRONMENT;
    m.source_environment = r->parameters.source_environment;
    m.source_version = number_version(&r->body.version, VERSION_NEVER);
    m.allow_missing = true;
    start_update(r, &m, show_copied);
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
        config_answer_written(r, 200, &CONFIG_WRITTEN(response));
    }
}

void handle_rollback(struct request *r)
{
    Confreg__V1__RollbackConfigRequest m = CONFREG__V1__ROLLBACK_CONFIG_REQUEST__INIT;
    const struct write_options options = write_options_of(r);
    if (!conditions_expect(r, &m.expected_epoch, &m.expected_revision)) {
        return;
    }
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&r->body.version, VERSION_NEVER);
    m.include_large = true;
    VALUE_OPTIONS_PUT(&options, &m);
    call_start(r, REGISTRY_ROLLBACK_CONFIG, &m.base, r->gateway->upstream->timeout_ms,
               show_rolled_back);
}

/* ---- Undelete ---- */

static void refuse_undelete(struct request *r, const struct status *st)
{
    if (st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        request_refuse(r, 404, "VERSION_NOT_FOUND", "Version %s not found", r->body.version.text);
    } else if (st->outcome == OUTCOME_CONFIG_NOT_FOUND) {
        request_refuse(r, 404, "CONFIG_NOT_FOUND", "Configuration not found");
    } else if (st->outcome != OUTCOME_CONFIG_EXISTS || !conditions_refuse_existing(r, st)) {
        errors_answer(r, st);
    }
}

static void show_undeleted(struct request *r, const ProtobufCMessage *message,
                           const struct status *st)
{
    const Confreg__V1__UndeleteConfigResponse *response = (const void *)message;
    if (st != NULL) {
        refuse_undelete(r, st);
    } else {
        config_answer_written(r, 200, &CONFIG_WRITTEN(response));
    }
}

void handle_undelete(struct request *r)
{
    Confreg__V1__UndeleteConfigRequest m = CONFREG__V1__UNDELETE_CONFIG_REQUEST__INIT;
    const struct write_options options = write_options_of(r);
    if (refuse_match(r)) {
        return;
    }
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&r->body.version, VERSION_NEVER);
    m.include_large = true;
    VALUE_OPTIONS_PUT(&options, &m);
    call_start(r, REGISTRY_UNDELETE_CONFIG, &m.base, r->gateway->upstream->timeout_ms,
               show_undeleted);
}

/* ---- DELETE ---- */

/* diff: what validate_only found; NULL: nothing. */
static void answer_deleted(struct request *r, uint64_t count, const Confreg__V1__Diff *diff)
{
    struct str *body = &r->response.body;
    if (!r->parameters.validate_only) {
        r->gateway->configs->counters.configs_deleted += count;
    }
    str_addf(body, "{\"deleted\":%" PRIu64, count);
    if (diff != NULL) {
        str_add_text(body, ",\"diff\":");
        render_diff_and_patch(body, diff);
    }
    str_add_char(body, '}');
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
    answer_deleted(r, response->deleted_count, response->diff);
    config_answer_hand_out_when_seen(r, response->header);
}

static void refuse_delete(struct request *r, const struct status *st)
{
    if (st->outcome == OUTCOME_VERSION_NOT_FOUND) {
        answer_deleted(r, 0, NULL);
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
        answer_deleted(r, 0, NULL);
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
    const struct write_options options = write_options_of(r);
    if (!conditions_expect(r, &m.expected_epoch, &m.expected_revision)) {
        return;
    }
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&r->parameters.version, VERSION_NEVER);
    m.allow_missing = true;
    WRITE_OPTIONS_PUT(&options, &m);
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
    m.service_name = registry_text(str_text(r->service));
    m.old_version = number_version(&r->parameters.old_version, VERSION_NEVER);
    m.new_version = number_version(&r->parameters.new_version, VERSION_NEVER_EITHER);
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_DIFF_VERSIONS, &m.base, r->gateway->upstream->timeout_ms, show_diff);
}
