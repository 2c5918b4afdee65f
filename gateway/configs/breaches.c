/* Places in stored values that break a schema: POST /api/schemas/{service}/try, GET /api/broken. */
#include <inttypes.h>

#include "config_answers.h"
#include "config_handlers.h"
#include "json.h"

static void add_breach(struct str *out, const Confreg__V1__Breach *breach)
{
    json_add_text(out, "{\"environment\":", breach->environment);
    json_add_text(out, ",\"service_name\":", breach->service_name);
    str_addf(out, ",\"version\":%" PRIu64 ",\"revision\":%" PRIu64, breach->version,
             breach->revision);
    json_add_text(out, ",\"pointer\":", breach->pointer);
    json_add_text(out, ",\"rule\":", breach->rule);
    json_add_text(out, ",\"description\":", breach->description);
    str_addf(out, ",\"superseded\":%s,\"resolved\":%s}", breach->superseded ? "true" : "false",
             breach->resolved ? "true" : "false");
}

static void add_breaches(struct request *r, Confreg__V1__Breach *const *breaches, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        str_add_text(&r->response.body, i == 0 ? "" : ",");
        add_breach(&r->response.body, breaches[i]);
    }
}

static void show_trial(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__TrySchemaResponse *page = (const void *)message;
    if (config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "breaches")) {
        config_answer_note_filtered(r, page->filtered);
        add_breaches(r, page->breaches, page->n_breaches);
        str_addf(&r->response.body, "],\"checked\":%" PRIu64, page->checked_count);
        config_answer_end_document(r, page->next_page_token);
    }
}

void handle_schema_try(struct request *r)
{
    struct invalid invalid = {0};
    Confreg__V1__TrySchemaRequest m = CONFREG__V1__TRY_SCHEMA_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = registry_text(r->parameters.environment);
    m.service_name = registry_text(str_text(r->service));
    m.schema.len = r->body.config_data.len;
    m.schema.data = (uint8_t *)(uintptr_t)r->body.config_data.data;
    m.include_superseded = config_request_all_versions(r->parameters.versions, &invalid);
    m.page_size = config_request_limit(&r->parameters.limit, &invalid);
    m.page_token = registry_text(r->parameters.page);
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_TRY_SCHEMA, &m.base, show_trial);
}

static void show_broken(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__FindBrokenResponse *page = (const void *)message;
    if (config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "breaches")) {
        config_answer_note_filtered(r, page->filtered);
        add_breaches(r, page->breaches, page->n_breaches);
        config_answer_end_page(r, page->next_page_token);
    }
}

void handle_broken(struct request *r)
{
    const struct parameters *p = &r->parameters;
    struct invalid invalid = {0};
    Confreg__V1__FindBrokenRequest m = CONFREG__V1__FIND_BROKEN_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = registry_text(p->environment);
    m.service_name = registry_text(p->service_filter);
    m.service_name_prefix = registry_text(p->prefix_filter);
    m.page_size = config_request_limit(&p->limit, &invalid);
    m.page_token = registry_text(p->page);
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_FIND_BROKEN, &m.base, show_broken);
}
