/* All that differs between two environments, or two revisions of one: GET /api/diff. */
#include <inttypes.h>

#include "config_answers.h"
#include "config_handlers.h"
#include "render.h"

static void add_diff(struct str *out, const Confreg__V1__Diff *diff)
{
    render_diff_and_patch(out, diff);
    if (diff->values_omitted) {
        str_truncate(out, out->len - 1);
        str_add_text(out, ",\"values_omitted\":true}");
    }
}

static void show_diffs(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__DiffConfigsResponse *page = (const void *)message;
    if (!config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "diffs")) {
        return;
    }
    struct str *out = &r->response.body;
    config_answer_note_filtered(r, page->filtered);
    for (size_t i = 0; i < page->n_diffs; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        add_diff(out, page->diffs[i]);
    }
    config_answer_end_page(r, page->next_page_token);
}

void handle_diffs(struct request *r)
{
    const struct parameters *p = &r->parameters;
    struct invalid invalid = {0};
    Confreg__V1__DiffConfigsRequest m = CONFREG__V1__DIFF_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = p->environment;
    m.new_environment = registry_text(p->new_environment);
    m.service_name = registry_text(p->service_filter);
    m.service_name_prefix = registry_text(p->prefix_filter);
    m.old_revision = config_request_revision("old_revision", &p->old_revision, &invalid);
    m.new_revision = config_request_revision("new_revision", &p->new_revision, &invalid);
    m.page_size = config_request_limit(&p->limit, &invalid);
    m.page_token = registry_text(p->page);
    m.read = config_answer_read_options(r, &read);
    config_request_read(r, &invalid, REGISTRY_DIFF_CONFIGS, &m.base, show_diffs);
}
