/* Places in stored values that look like secrets: GET /api/secrets. */
#include <inttypes.h>

#include "config_answers.h"
#include "config_handlers.h"
#include "json.h"

static void add_flag(struct str *out, const char *name, bool value)
{
    str_addf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_suspect(struct str *out, const Confreg__V1__Suspect *suspect)
{
    json_add_text(out, "{\"environment\":", suspect->environment);
    json_add_text(out, ",\"service_name\":", suspect->service_name);
    str_addf(out, ",\"version\":%" PRIu64 ",\"revision\":%" PRIu64, suspect->version,
             suspect->revision);
    json_add_text(out, ",\"pointer\":", suspect->pointer);
    json_add_text(out, ",\"rule\":", suspect->rule);
    json_add_text(out, ",\"description\":", suspect->description);
    add_flag(out, "in_key", suspect->in_key);
    add_flag(out, "superseded", suspect->superseded);
    add_flag(out, "allowed", suspect->allowed);
    str_add_char(out, '}');
}

static void show_suspects(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__FindSecretsResponse *page = (const void *)message;
    if (!config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "suspects")) {
        return;
    }
    struct str *out = &r->response.body;
    config_answer_note_filtered(r, page->filtered);
    for (size_t i = 0; i < page->n_suspects; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        add_suspect(out, page->suspects[i]);
    }
    config_answer_end_page(r, page->next_page_token);
}

void handle_suspects(struct request *r)
{
    const struct parameters *p = &r->parameters;
    struct invalid invalid = {0};
    Confreg__V1__FindSecretsRequest m = CONFREG__V1__FIND_SECRETS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = registry_text(p->environment);
    m.service_name = registry_text(p->service_filter);
    m.service_name_prefix = registry_text(p->prefix_filter);
    m.include_superseded = config_request_all_versions(p->versions, &invalid);
    m.page_size = config_request_limit(&p->limit, &invalid);
    m.page_token = registry_text(p->page);
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_FIND_SECRETS, &m.base, show_suspects);
}
