/* Calls about one config. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "handlers.h"
#include "render.h"

/* Versions that no config ever has. Two, so that a refused diff tells which one was meant. */
#define NEVER (UINT64_MAX - 1)
#define NEVER_OLD NEVER
#define NEVER_NEW UINT64_MAX

/* protobuf-c's members are not const; what it encodes it does not change. */
static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)borrowed;
}

static ProtobufCBinaryData bytes_of(struct json_text json)
{
    return (ProtobufCBinaryData){.len = json.len, .data = (uint8_t *)(uintptr_t)json.data};
}

static bool has_reason(const struct status *st, const char *reason)
{
    return strcmp(st->reason, reason) == 0;
}

/* ETag, X-Config-Version, X-Config-Revision; tag gets the ETag without its quotes. */
static void add_config_headers(struct request *r, const Confreg__V1__Position *header,
                               const Confreg__V1__Config *config, char tag[ETAG_SIZE])
{
    char quoted[ETAG_SIZE + 2];
    char version[21];
    etag_format(header == NULL ? "" : header->epoch, config->mod_revision, tag);
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    snprintf(version, sizeof version, "%" PRIu64, config->version);
    request_add_header(r, "ETag", quoted);
    request_add_header(r, "X-Config-Version", version);
    request_add_header(r, "X-Config-Revision", tag);
}

/* An answer without its config would be the server's fault. */
static bool is_whole(struct request *r, const void *part)
{
    if (part == NULL) {
        request_refuse(r, 500, "The registry server's answer is incomplete");
    }
    return part != NULL;
}

/* ---- GET ---- */

static void show_config(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__GetConfigResponse *response = (const void *)message;
    if (st != NULL && st->code == STATUS_NOT_FOUND) {
        request_refuse(r, 404, "Configuration not found");
        return;
    }
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!is_whole(r, response->config)) {
        return;
    }
    char tag[ETAG_SIZE];
    add_config_headers(r, response->header, response->config, tag);
    r->gateway->counters.configs_retrieved++;
    if (r->if_none_match != NULL && etag_list_has(r->if_none_match, tag)) {
        request_answer(r, 304);
        return;
    }
    str_add(&r->response.body, response->config->config_data.data,
            response->config->config_data.len);
    request_answer(r, 200);
}

void handle_get(struct request *r)
{
    Confreg__V1__GetConfigRequest m = CONFREG__V1__GET_CONFIG_REQUEST__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.version = number_version(&r->parameters.version, NEVER);
    call_start(r, CLIENT_GET_CONFIG, &m.base, r->gateway->timeout_ms, show_config);
}

/* ---- If-Match ---- */

static void refuse_mismatch(struct request *r)
{
    request_refuse(r, 412, "The configuration is not the one that If-Match names");
}

/* What the next attempt of a write may expect; false where nothing is left to be tried. The server
 * alone decides, and takes one expectation at a time: each tag of the list is an attempt. */
static bool next_expectation(struct if_match *match, const char **ret_epoch, uint64_t *ret_revision)
{
    *ret_epoch = "";
    *ret_revision = 0;
    if (!match->given || match->any) {
        return true;
    }
    if (match->next == match->n) {
        return false;
    }
    *ret_epoch = match->tags[match->next].epoch;
    *ret_revision = match->tags[match->next].revision;
    match->next++;
    return true;
}

/* Whether a refused write is to be tried again with the next tag; one that is not has been
 * answered, unless it did not fail for If-Match. */
enum retry { RETRY, ANSWERED, OTHER_FAULT };

static enum retry retry_of(struct request *r, const struct status *st)
{
    if (!r->expected.given || !errors_is_mismatch(st)) {
        return OTHER_FAULT;
    }
    if (r->expected.any || r->expected.next == r->expected.n) {
        refuse_mismatch(r);
        return ANSWERED;
    }
    return RETRY;
}

/* ---- POST ---- */

static void answer_document(struct request *r, unsigned status, const Confreg__V1__Position *header,
                            const Confreg__V1__Config *config)
{
    char tag[ETAG_SIZE];
    add_config_headers(r, header, config, tag);
    render_config(&r->response.body, config);
    request_answer(r, status);
}

static void show_created(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__CreateConfigResponse *response = (const void *)message;
    if (st != NULL && st->code == STATUS_ALREADY_EXISTS) {
        request_refuse(r, 400, "Configuration for %s/%s already exists. Use update instead.",
                       str_text(r->service), r->parameters.environment);
    } else if (st != NULL) {
        errors_answer(r, st);
    } else if (is_whole(r, response->config)) {
        r->gateway->counters.configs_created++;
        answer_document(r, 201, response->header, response->config);
    }
}

void handle_create(struct request *r)
{
    if (r->expected.given) {
        refuse_mismatch(r); /* what a create may make is not there to be matched */
        return;
    }
    Confreg__V1__CreateConfigRequest m = CONFREG__V1__CREATE_CONFIG_REQUEST__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.config_data = bytes_of(r->body.config_data);
    m.comment = text(str_text(&r->body.comment));
    if (r->body.has_created_by) {
        m.created_by_presence_case =
            CONFREG__V1__CREATE_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
        m.created_by = text(str_text(&r->body.created_by));
    }
    call_start(r, CLIENT_CREATE_CONFIG, &m.base, r->gateway->timeout_ms, show_created);
}

/* ---- PUT ---- */

static void show_updated(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__UpdateConfigResponse *response = (const void *)message;
    if (st == NULL) {
        if (is_whole(r, response->config)) {
            r->gateway->counters.configs_updated++;
            answer_document(r, 200, response->header, response->config);
        }
        return;
    }
    enum retry retry = retry_of(r, st);
    if (retry == RETRY) {
        handle_update(r);
    } else if (retry == OTHER_FAULT && has_reason(st, "CONFIG_NOT_FOUND")) {
        request_refuse(r, 400, "Configuration for %s/%s does not exist. Use create instead.",
                       str_text(r->service), r->parameters.environment);
    } else if (retry == OTHER_FAULT) {
        errors_answer(r, st);
    }
}

void handle_update(struct request *r)
{
    const char *epoch;
    Confreg__V1__UpdateConfigRequest m = CONFREG__V1__UPDATE_CONFIG_REQUEST__INIT;
    if (!next_expectation(&r->expected, &epoch, &m.expected_revision)) {
        refuse_mismatch(r);
        return;
    }
    m.expected_epoch = text(epoch);
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    m.config_data = bytes_of(r->body.config_data);
    m.comment = text(str_text(&r->body.comment));
    if (r->body.has_created_by) {
        m.created_by_presence_case =
            CONFREG__V1__UPDATE_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
        m.created_by = text(str_text(&r->body.created_by));
    }
    call_start(r, CLIENT_UPDATE_CONFIG, &m.base, r->gateway->timeout_ms, show_updated);
}

/* ---- DELETE ---- */

static void answer_deleted(struct request *r, uint64_t count)
{
    r->gateway->counters.configs_deleted += count;
    str_addf(&r->response.body, "{\"deleted\":%" PRIu64 "}", count);
    request_answer(r, 200);
}

static void show_deleted(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__DeleteConfigResponse *response = (const void *)message;
    if (st == NULL) {
        answer_deleted(r, response->deleted_count);
        return;
    }
    enum retry retry = retry_of(r, st);
    if (retry == RETRY) {
        handle_delete(r);
    } else if (retry == OTHER_FAULT && has_reason(st, "VERSION_NOT_FOUND")) {
        answer_deleted(r, 0);
    } else if (retry == OTHER_FAULT) {
        errors_answer(r, st);
    }
}

void handle_delete(struct request *r)
{
    const char *epoch;
    Confreg__V1__DeleteConfigRequest m = CONFREG__V1__DELETE_CONFIG_REQUEST__INIT;
    if (!next_expectation(&r->expected, &epoch, &m.expected_revision)) {
        refuse_mismatch(r);
        return;
    }
    m.expected_epoch = text(epoch);
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.version = number_version(&r->parameters.version, NEVER);
    m.allow_missing = !r->expected.given; /* If-Match: * wants the config to be there */
    call_start(r, CLIENT_DELETE_CONFIG, &m.base, r->gateway->timeout_ms, show_deleted);
}

/* ---- Difference ---- */

/* Whether it is the new version that the server misses: it looks for that one first. */
static bool misses_new(const struct parameters *p, const struct status *st)
{
    char wanted[21];
    snprintf(wanted, sizeof wanted, "%" PRIu64, number_version(&p->new_version, NEVER_NEW));
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
    request_refuse(r, 400, "Version %s not found", number == NULL ? "to compare" : number);
}

static void show_diff(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__DiffVersionsResponse *response = (const void *)message;
    if (st == NULL) {
        if (is_whole(r, response->diff)) {
            render_diff(&r->response.body, response->diff);
            request_answer(r, 200);
        }
    } else if (has_reason(st, "NOT_ENOUGH_VERSIONS")) {
        request_refuse(r, 400, "Not enough versions to compare");
    } else if (has_reason(st, "VERSION_NOT_FOUND")) {
        refuse_version(r, st);
    } else {
        errors_answer(r, st);
    }
}

void handle_diff(struct request *r)
{
    Confreg__V1__DiffVersionsRequest m = CONFREG__V1__DIFF_VERSIONS_REQUEST__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.old_version = number_version(&r->parameters.old_version, NEVER_OLD);
    m.new_version = number_version(&r->parameters.new_version, NEVER_NEW);
    call_start(r, CLIENT_DIFF_VERSIONS, &m.base, r->gateway->timeout_ms, show_diff);
}
