/* Schemas: /api/schemas. Answered by the server: the mirror has configs only. */
#include <inttypes.h>
#include <stdio.h>

#include "config_answers.h"
#include "config_handlers.h"
#include "errors.h"
#include "payload.h"
#include "render.h"
#include "routes.h"
#include "write_options.h"

/* "" is a schema for all environments. */
static char *environment_of(const struct request *r)
{
    return registry_text(r->parameters.environment);
}

static char *service_of(const struct request *r)
{
    return registry_text(str_text(r->service));
}

/* ---- Reads ---- */

/* Without an ETag: defaults change with the schemas that this one refers to, too. */
static void answer_with_defaults(struct request *r, const Confreg__V1__GetSchemaResponse *response)
{
    struct json_text text = payload_of_config(response->schema);
    char number[24];
    if (text.len == 0 || response->defaults.len == 0) {
        config_answer_incomplete(r);
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, response->schema->version);
    request_add_header(r, "X-Config-Version", number);
    str_add_text(&r->response.body, "{\"schema\":");
    str_add(&r->response.body, text.data, text.len);
    str_add_text(&r->response.body, ",\"defaults\":");
    str_add(&r->response.body, response->defaults.data, response->defaults.len);
    str_add_char(&r->response.body, '}');
    request_answer(r, 200);
}

static void show_schema(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__GetSchemaResponse *response = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!config_answer_is_whole(r, response->header) ||
        !config_answer_is_whole(r, response->schema)) {
        return;
    }
    if (r->parameters.include_defaults) {
        answer_with_defaults(r, response);
        return;
    }
    struct json_text text = payload_of_config(response->schema);
    char tag[ETAG_SIZE];
    etag_format(response->header->epoch, response->schema->mod_revision, tag);
    config_answer_add_tag(r, response->schema->version, tag, CODING_PLAIN);
    str_add(&r->response.body, text.data, text.len);
    request_answer(r, 200);
}

void handle_schema(struct request *r)
{
    Confreg__V1__GetSchemaRequest m = CONFREG__V1__GET_SCHEMA_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = environment_of(r);
    m.service_name = service_of(r);
    m.version = number_version(&r->parameters.version, VERSION_NEVER);
    m.in_force = r->parameters.in_force;
    m.include_defaults = r->parameters.include_defaults;
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_GET_SCHEMA, &m.base, r->gateway->upstream->timeout_ms, show_schema);
}

static void show_schemas(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListSchemasResponse *page = (const void *)message;
    if (!config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "schemas")) {
        return;
    }
    for (size_t i = 0; i < page->n_schemas; i++) {
        str_add_text(&r->response.body, i == 0 ? "" : ",");
        if (!render_schema(&r->response.body, page->schemas[i])) {
            config_answer_incomplete(r);
            return;
        }
    }
    config_answer_end_page(r, page->next_page_token);
}

void handle_schemas(struct request *r)
{
    const struct parameters *p = &r->parameters;
    struct invalid invalid = {0};
    Confreg__V1__ListSchemasRequest m = CONFREG__V1__LIST_SCHEMAS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = environment_of(r);
    m.service_name = registry_text(p->service_filter);
    m.service_name_prefix = registry_text(p->prefix_filter);
    m.page_size = config_request_limit(&p->limit, &invalid);
    m.page_token = registry_text(p->page);
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_LIST_SCHEMAS, &m.base, show_schemas);
}

/* Versions whose schemas a compaction has removed have none. */
static void add_version(struct request *r, const Confreg__V1__Version *version)
{
    struct str *out = &r->response.body;
    if (!render_schema_version(out, str_text(r->service), environment_of(r), version)) {
        str_addf(out, "{\"version\":%" PRIu64 ",\"schema\":null}", version->version);
    }
}

static void show_history(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListSchemaVersionsResponse *page = (const void *)message;
    if (!config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "versions")) {
        return;
    }
    for (size_t i = 0; i < page->n_versions; i++) {
        str_add_text(&r->response.body, i == 0 ? "" : ",");
        add_version(r, page->versions[i]);
    }
    config_answer_end_page(r, page->next_page_token);
}

void handle_schema_history(struct request *r)
{
    struct invalid invalid = {0};
    Confreg__V1__ListSchemaVersionsRequest m = CONFREG__V1__LIST_SCHEMA_VERSIONS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = environment_of(r);
    m.service_name = service_of(r);
    m.page_size = config_request_limit(&r->parameters.limit, &invalid);
    m.page_token = registry_text(r->parameters.page);
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_LIST_SCHEMA_VERSIONS, &m.base, show_history);
}

static void show_diff(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__DiffSchemasResponse *response = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
    } else if (config_answer_is_whole(r, response->diff)) {
        render_diff_and_patch(&r->response.body, response->diff);
        request_answer(r, 200);
    }
}

void handle_schema_diff(struct request *r)
{
    Confreg__V1__DiffSchemasRequest m = CONFREG__V1__DIFF_SCHEMAS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = environment_of(r);
    m.service_name = service_of(r);
    m.old_version = number_version(&r->parameters.old_version, VERSION_NEVER);
    m.new_version = number_version(&r->parameters.new_version, VERSION_NEVER_EITHER);
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_DIFF_SCHEMAS, &m.base, r->gateway->upstream->timeout_ms, show_diff);
}

/* ---- Writes ---- */

static void refuse_write(struct request *r, const struct status *st)
{
    switch (conditions_after(r, st)) {
    case CONDITIONS_RETRY:
        r->route->handler(r);
        break;
    case CONDITIONS_MISSING:
    case CONDITIONS_OTHER:
        errors_answer(r, st);
        break;
    case CONDITIONS_ANSWERED:
        break;
    }
}

static void add_diff(struct request *r, const Confreg__V1__Diff *diff)
{
    struct str *body = &r->response.body;
    if (diff != NULL) {
        str_truncate(body, body->len - 1); /* the document's end */
        str_add_text(body, ",\"diff\":");
        render_diff_and_patch(body, diff);
        str_add_char(body, '}');
    }
}

static void show_set(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__SetSchemaResponse *response = (const void *)message;
    char tag[ETAG_SIZE];
    if (st != NULL) {
        refuse_write(r, st);
        return;
    }
    if (!config_answer_is_whole(r, response->header) ||
        !config_answer_is_whole(r, response->schema)) {
        return;
    }
    if (!render_schema(&r->response.body, response->schema)) {
        config_answer_incomplete(r);
        return;
    }
    bool is_new = response->schema->kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE;
    add_diff(r, response->diff);
    if (!r->parameters.validate_only) {
        etag_format(response->header->epoch, response->schema->mod_revision, tag);
        config_answer_add_tag(r, response->schema->version, tag, CODING_PLAIN);
    }
    request_answer(r, is_new && !r->parameters.validate_only ? 201 : 200);
}

static void start_set(struct request *r, Confreg__V1__SetSchemaRequest *m)
{
    const struct write_options options = write_options_of(r);
    if (!conditions_expect(r, &m->expected_epoch, &m->expected_revision)) {
        return;
    }
    m->environment = environment_of(r);
    m->service_name = service_of(r);
    m->force = r->parameters.force;
    m->include_large = true;
    WRITE_OPTIONS_PUT(&options, m);
    call_start(r, REGISTRY_SET_SCHEMA, &m->base, r->gateway->upstream->timeout_ms, show_set);
}

void handle_schema_set(struct request *r)
{
    Confreg__V1__SetSchemaRequest m = CONFREG__V1__SET_SCHEMA_REQUEST__INIT;
    m.schema.len = r->body.config_data.len;
    m.schema.data = (uint8_t *)(uintptr_t)r->body.config_data.data;
    start_set(r, &m);
}

void handle_schema_rollback(struct request *r)
{
    Confreg__V1__SetSchemaRequest m = CONFREG__V1__SET_SCHEMA_REQUEST__INIT;
    m.source_version = number_version(&r->body.version, VERSION_NEVER);
    m.undo = !r->body.version.given;
    start_set(r, &m);
}

static void show_deleted(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__DeleteSchemaResponse *response = (const void *)message;
    if (st != NULL) {
        refuse_write(r, st);
        return;
    }
    str_addf(&r->response.body, "{\"deleted\":%" PRIu64 "}", response->deleted_count);
    add_diff(r, response->diff);
    request_answer(r, 200);
}

void handle_schema_delete(struct request *r)
{
    Confreg__V1__DeleteSchemaRequest m = CONFREG__V1__DELETE_SCHEMA_REQUEST__INIT;
    const struct write_options options = write_options_of(r);
    if (!conditions_expect(r, &m.expected_epoch, &m.expected_revision)) {
        return;
    }
    m.environment = environment_of(r);
    m.service_name = service_of(r);
    m.force = r->parameters.force;
    m.include_large = true;
    WRITE_OPTIONS_PUT(&options, &m);
    call_start(r, REGISTRY_DELETE_SCHEMA, &m.base, r->gateway->upstream->timeout_ms, show_deleted);
}
