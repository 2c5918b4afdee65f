#include "config_answers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "config_counts.h"
#include "errors.h"
#include "json.h"
#include "payload.h"
#include "percent.h"
#include "render.h"

/* A mirror that is in step is milliseconds behind; one that is not must not hold writes up. */
#define SEEN_PATIENCE_MS 1000
#define WARNING_BYTES 4096 /* of X-Confreg-Warning; the last one may go beyond */

void config_answer_add_tag(struct request *r, uint64_t version, const char *tag, enum coding coding)
{
    char quoted[ETAG_QUOTED_SIZE];
    char number[21];
    etag_quote(tag, coding, quoted);
    snprintf(number, sizeof number, "%" PRIu64, version);
    request_add_header(r, "ETag", quoted);
    if (version != 0) {
        request_add_header(r, "X-Config-Version", number);
    }
    request_add_header(r, "X-Config-Revision", tag);
}

void config_answer_incomplete(struct request *r)
{
    request_refuse(r, 500, "ANSWER_INCOMPLETE", "The registry server's answer is incomplete");
}

bool config_answer_is_whole(struct request *r, const void *part)
{
    if (part == NULL) {
        config_answer_incomplete(r);
    }
    return part != NULL;
}

bool config_answer_payload(struct request *r, const Confreg__V1__GetConfigResponse *response,
                           const struct status *st, struct json_text *ret_payload)
{
    if (st != NULL && st->code == STATUS_NOT_FOUND) {
        request_refuse_status(r, 404, st, "Configuration not found");
        return false;
    }
    if (st != NULL) {
        errors_answer(r, st);
        return false;
    }
    if (!config_answer_is_whole(r, response->header) ||
        !config_answer_is_whole(r, response->config)) {
        return false;
    }
    struct json_text payload = payload_of_config(response->config);
    if (payload.len == 0) {
        config_answer_incomplete(r);
        return false;
    }
    *ret_payload = payload;
    return true;
}

void config_answer_count_mirror(struct request *r, const struct mirror_view *view)
{
    struct read_sources *sources = &r->gateway->configs->sources;
    metric_add(view->state == MIRROR_IN_STEP ? &sources->mirror : &sources->stale_mirror, 1);
}

Confreg__V1__ReadOptions *config_answer_read_options(struct request *r,
                                                     Confreg__V1__ReadOptions *read)
{
    const struct freshness *f = &config_request_of(r)->freshness;
    if (!f->bounded) {
        return NULL;
    }
    read->min_revision = f->minimum.revision;
    read->epoch = registry_text(f->minimum.epoch);
    return read;
}

void config_answer_hand_out(struct request *r, const Confreg__V1__Position *header)
{
    handed_out_raise(&r->gateway->upstream->handed, header->epoch, header->revision);
}

static void seen(struct request *r)
{
    const struct handed_out *written = &config_request_of(r)->written;
    handed_out_raise(&r->gateway->upstream->handed, written->epoch, written->revision);
}

void config_answer_hand_out_when_seen(struct request *r, const Confreg__V1__Position *header)
{
    struct mirror_view view = {.state = MIRROR_LOADING};
    if (r->gateway->upstream->mirror != NULL) {
        mirror_look(r->gateway->upstream->mirror, &view);
    }
    if (view.state != MIRROR_IN_STEP || strcmp(view.epoch, header->epoch) != 0 ||
        view.revision >= header->revision) {
        config_answer_hand_out(r, header);
        return;
    }
    handed_out_raise(&config_request_of(r)->written, header->epoch, header->revision);
    wait_for_revision(r, header->revision, clock_monotonic_ns() + SEEN_PATIENCE_MS * 1000000, seen);
}

/* Nothing has the tag or the number of a version that was not made. */
static void answer_validated(struct request *r, const struct config_written *written)
{
    struct str *body = &r->response.body;
    char tag[ETAG_SIZE];
    etag_format(written->header->epoch, written->header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    if (written->diff != NULL) {
        str_truncate(body, body->len - 1); /* the document's end */
        str_add_text(body, ",\"diff\":");
        render_diff_and_patch(body, written->diff);
        str_add_char(body, '}');
    }
    config_answer_hand_out(r, written->header);
    request_answer(r, 200);
}

static void count_written(struct request *r, const Confreg__V1__Config *config)
{
    struct counters *counters = &r->gateway->configs->counters;
    bool is_new = config->kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE ||
                  config->kind == CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UNDELETE;
    counters->configs_created += is_new;
    counters->configs_updated += !is_new;
}

/* "SECRET_FOUND service=billing pointer=/token rule=vault-token"; names are percent-encoded. */
static void add_warning(struct str *out, const Confreg__V1__Suspect *suspect)
{
    str_add_text(out, out->len == 0 ? "SECRET_FOUND environment=" : ", SECRET_FOUND environment=");
    percent_encode(suspect->environment, strlen(suspect->environment), out);
    str_add_text(out, " service=");
    percent_encode(suspect->service_name, strlen(suspect->service_name), out);
    str_add_text(out, " pointer=");
    percent_encode(suspect->pointer, strlen(suspect->pointer), out);
    str_addf(out, " rule=%s", suspect->rule);
}

void config_answer_warn(struct request *r, Confreg__V1__Suspect **suspects, size_t n)
{
    AUTO_STR warning = {0};
    for (size_t i = 0; i < n && warning.len < WARNING_BYTES; i++) {
        if (!suspects[i]->allowed) {
            add_warning(&warning, suspects[i]);
        }
    }
    if (warning.len > 0) {
        request_add_header(r, "X-Confreg-Warning", str_text(&warning));
    }
}

void config_answer_written(struct request *r, unsigned status, const struct config_written *written)
{
    char tag[ETAG_SIZE];
    if (!config_answer_is_whole(r, written->header) ||
        !config_answer_is_whole(r, written->config)) {
        return;
    }
    if (!render_config(&r->response.body, written->config, DOCUMENT_ALL)) {
        config_answer_incomplete(r);
        return;
    }
    config_answer_warn(r, written->suspects, written->n_suspects);
    if (r->parameters.validate_only) {
        answer_validated(r, written);
        return;
    }
    count_written(r, written->config);
    etag_format(written->header->epoch, written->config->mod_revision, tag);
    config_answer_add_tag(r, written->config->version, tag, CODING_PLAIN);
    request_answer(r, status);
    config_answer_hand_out_when_seen(r, written->header);
}

bool config_answer_begin_page(struct request *r, const Confreg__V1__Position *header,
                              const struct status *st, const char *list)
{
    if (st != NULL) {
        errors_answer(r, st);
        return false;
    }
    if (!config_answer_is_whole(r, header)) {
        return false;
    }
    config_answer_hand_out(r, header);
    str_addf(&r->response.body, "{\"revision\":%" PRIu64 ",\"%s\":[", header->revision, list);
    return true;
}

void config_answer_end_page(struct request *r, const char *next_token)
{
    str_add_char(&r->response.body, ']');
    config_answer_end_document(r, next_token);
}

void config_answer_end_document(struct request *r, const char *next_token)
{
    struct str *out = &r->response.body;
    if (next_token[0] == '\0') {
        str_add_text(out, ",\"next\":null");
    } else {
        json_add_text(out, ",\"next\":", next_token);
        request_add_next_page(r, next_token);
    }
    str_add_char(out, '}');
    request_answer(r, 200);
}

void config_answer_note_filtered(struct request *r, bool filtered)
{
    if (filtered) {
        request_add_header(r, "X-Config-Filtered", "true");
    }
}
