/* GET of one config: answered from the mirror if that is new enough, else by the server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "compressor.h"
#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "identify.h"
#include "identities.h"
#include "json.h"
#include "prepared.h"
#include "render.h"

#define DEFAULT_ENVIRONMENT "default"

static bool is_live(const struct mirror_config *config)
{
    return config != NULL && config->version != 0;
}

/* A config of environment "default" is merged with nothing. */
static bool is_merged(const struct request *r)
{
    return r->parameters.resolve && strcmp(r->parameters.environment, DEFAULT_ENVIRONMENT) != 0;
}

/* *ret_coding is that of the form which the client has; left as it is if it named none. */
static bool is_known_to_client(const struct request *r, const char *tag, enum coding *ret_coding)
{
    const char *known = r->headers.if_none_match;
    return known != NULL && etag_list_find(known, tag, ret_coding);
}

/* ---- From the mirror ---- */

/* The result of a look-up in the mirror: the config and, if it is to be merged, the one of
 * `default`. */
struct mirror_answer {
    struct mirror_config *configs[2]; /* references */
    struct mirror_view view;
};

static void found_fini(struct mirror_answer *found)
{
    mirror_config_unref(found->configs[0]);
    mirror_config_unref(found->configs[1]);
}

static void look_up(const struct request *r, struct mirror_answer *found)
{
    const char *environments[2] = {r->parameters.environment, DEFAULT_ENVIRONMENT};
    const char *service = str_text(r->service);
    struct mirror *mirror = r->gateway->upstream->mirror;
    *found = (struct mirror_answer){0};
    if (is_merged(r)) {
        mirror_get_several(mirror, service, environments, 2, found->configs, &found->view);
    } else {
        found->configs[0] = mirror_get(mirror, environments[0], service, &found->view);
    }
}

static bool lacks_payload(const struct mirror_config *config)
{
    return is_live(config) && config->data == NULL;
}

/* Whether the mirror knows all that the answer is made of. The tag of a merged config names the
 * tombstone of the one that is gone, of which a mirror need not know. */
static bool is_known(const struct request *r, const struct mirror_answer *found)
{
    if (lacks_payload(found->configs[0]) || lacks_payload(found->configs[1])) {
        return false;
    }
    bool any = is_live(found->configs[0]) || is_live(found->configs[1]);
    return !any || !is_merged(r) || (found->configs[0] != NULL && found->configs[1] != NULL);
}

static void add_merged(struct request *r, const struct mirror_answer *found)
{
    const struct mirror_config *overlay = found->configs[0];
    const struct mirror_config *base = found->configs[1];
    struct str *body = &r->response.body;
    if (is_live(overlay) && is_live(base)) {
        json_merge((struct json_text){base->data, base->n_data},
                   (struct json_text){overlay->data, overlay->n_data}, body);
    } else {
        const struct mirror_config *only = is_live(overlay) ? overlay : base;
        str_add(body, only->data, only->n_data);
    }
}

/* Adds Preference-Applied (RFC 7240): the request's wait, in seconds, was honoured. */
static void add_applied(struct request *r)
{
    char applied[24];
    snprintf(applied, sizeof applied, "wait=%u", config_request_of(r)->freshness.wait_s);
    request_add_header(r, "Preference-Applied", applied);
}

static bool is_missing(const struct mirror_answer *found)
{
    return !is_live(found->configs[0]) && !is_live(found->configs[1]);
}

/* Whether Prefer: wait is honoured (freshness.h says what it waits for). A mirror that is not in
 * step would miss the change. */
static bool heeds_wait(struct request *r, const struct mirror_answer *found)
{
    const struct config_request *c = config_request_of(r);
    bool asked = r->headers.if_none_match != NULL || is_missing(found) || c->poll_until_ns != 0;
    return asked && c->freshness.wait_s != 0 && found->view.state == MIRROR_IN_STEP &&
           !r->gateway->upstream->stopping;
}

/* ---- Forms ---- */

static bool asks_for_gzip(struct request *r, const struct mirror_answer *found)
{
    return config_request_of(r)->coding == CODING_GZIP && !is_merged(r) &&
           is_live(found->configs[0]);
}

/* Starts to wait for the gzip form if the request asks for one that is still to be made. Waits
 * once: a config that changes meanwhile is shown in the plain form. */
static bool waits_for_gzip(struct request *r, const struct mirror_answer *found)
{
    struct config_request *c = config_request_of(r);
    struct mirror_config *config = found->configs[0];
    enum coding coding;
    char tag[ETAG_SIZE];
    if (c->has_waited_for_gzip || !asks_for_gzip(r, found) || !compressor_lacks(config)) {
        return false;
    }
    etag_format(config->epoch, config->mod_revision, tag);
    c->has_waited_for_gzip = !is_known_to_client(r, tag, &coding) &&
                             compressor_wait(r->gateway->compressor, r, config, handle_get);
    return c->has_waited_for_gzip;
}

/* The coding of the answer; known is that of the form which the client of a 304 has. */
static enum coding choose(struct request *r, const struct mirror_answer *found, unsigned status,
                          enum coding known)
{
    if (status == 304) {
        return known;
    }
    if (is_merged(r)) {
        return CODING_PLAIN;
    }
    bool is_gzip =
        asks_for_gzip(r, found) && prepared_of(found->configs[0])->forms[CODING_GZIP] != NULL;
    return is_gzip ? CODING_GZIP : CODING_PLAIN;
}

static void add_data(struct request *r, const struct mirror_answer *found, enum coding coding)
{
    if (coding == CODING_PLAIN) {
        add_merged(r, found);
        return;
    }
    if (is_merged(r)) {
        return; /* a 304: the form is made for each request, so its length is not known */
    }
    const struct prepared *prepared = prepared_of(found->configs[0]);
    request_add_header(r, "Content-Encoding", "gzip");
    str_add(&r->response.body, str_text(&prepared->gzip), prepared->gzip.len);
}

static bool may_be_prepared(const struct request *r, const struct mirror_answer *found)
{
    return !is_merged(r) && found->view.state == MIRROR_IN_STEP &&
           !r->gateway->upstream->stopping && r->response.n_headers == 0;
}

/* A 304 is given the data, too: it is not sent, but Content-Length must be its length. Of a gzip
 * form that is no longer there it has none. */
static void show_data(struct request *r, struct mirror_answer *found, const char *tag,
                      unsigned status, enum coding known)
{
    struct config_request *c = config_request_of(r);
    const struct mirror_config *shown =
        is_live(found->configs[0]) ? found->configs[0] : found->configs[1];
    r->gateway->configs->counters.configs_retrieved++;
    bool waited = heeds_wait(r, found);
    enum coding coding = choose(r, found, status, known);
    r->response.keeps_form = !is_merged(r);
    if (!waited && may_be_prepared(r, found)) {
        r->response.prepared = prepared_of(found->configs[0])->forms[coding];
        c->shown = r->response.prepared == NULL ? NULL : MOVE(found->configs[0]);
    }
    if (r->response.prepared == NULL) {
        config_answer_add_tag(r, shown->version, tag, coding);
        freshness_describe(r, &found->view);
        if (waited) {
            add_applied(r);
        }
        add_data(r, found, coding);
    }
    request_answer(r, status);
}

/* Starts to wait, or goes on waiting, for a change of the config; false if the request has to be
 * answered now. */
static bool waits_on(struct request *r, const struct mirror_answer *found)
{
    struct config_request *c = config_request_of(r);
    if (!heeds_wait(r, found)) {
        return false;
    }
    int64_t now = clock_monotonic_ns();
    if (c->poll_until_ns == 0) {
        c->poll_until_ns = now + (int64_t)c->freshness.wait_s * 1000000000;
    }
    if (now >= c->poll_until_ns) {
        return false;
    }
    if (!request_will_last(r)) {
        return true; /* it is answered */
    }
    wait_for_change(r, str_text(r->service), c->poll_until_ns, handle_get);
    return true;
}

/* With If-None-Match, a missing config already differs from what the client knows: answer now. */
static void show_missing(struct request *r, const struct mirror_answer *found)
{
    if (r->headers.if_none_match == NULL && waits_on(r, found)) {
        return;
    }
    freshness_describe(r, &found->view);
    if (heeds_wait(r, found)) {
        add_applied(r);
    }
    request_refuse(r, 404, "CONFIG_NOT_FOUND", "Configuration not found");
}

static void show_found(struct request *r, struct mirror_answer *found)
{
    const struct mirror_config *config = found->configs[0];
    const struct mirror_config *base = found->configs[1];
    char tag[ETAG_SIZE];
    if (is_missing(found)) {
        show_missing(r, found);
        return;
    }
    if (is_merged(r)) {
        etag_format_pair(found->view.epoch, config->mod_revision, base->mod_revision, tag);
    } else {
        etag_format(config->epoch, config->mod_revision, tag);
    }
    enum coding coding = CODING_PLAIN;
    bool known = is_known_to_client(r, tag, &coding);
    if (!known || !waits_on(r, found)) {
        show_data(r, found, tag, known ? 304 : 200, coding);
    }
}

/* A resolved config is made of two. If the caller may not read both, the server says so. */
static bool may_read(const struct request *r)
{
    const char *service = str_text(r->service);
    return identity_may_read(r->identity, r->parameters.environment, service) &&
           (!is_merged(r) || identity_may_read(r->identity, DEFAULT_ENVIRONMENT, service));
}

static bool answer_from_mirror(struct request *r)
{
    struct mirror_answer found;
    bool of_version = r->parameters.version.given || r->parameters.include_deleted;
    if (of_version || r->gateway->upstream->mirror == NULL || !may_read(r)) {
        return false;
    }
    look_up(r, &found);
    bool may = freshness_allows(config_request_of(r), &found.view) && is_known(r, &found);
    if (may && !waits_for_gzip(r, &found)) {
        config_answer_count_mirror(r, &found.view);
        show_found(r, &found);
    }
    found_fini(&found);
    return may;
}

/* ---- From the server ---- */

/* Tells the mirror which configs the server reported absent: a snapshot does not contain them. */
static void note_absent(struct request *r, const Confreg__V1__GetConfigResponse *response)
{
    for (size_t i = 0; i < response->n_sources && r->gateway->upstream->mirror != NULL; i++) {
        const Confreg__V1__ResolvedSource *source = response->sources[i];
        if (source->version == 0) {
            const struct mirror_absence absence = {
                .epoch = response->header->epoch,
                .revision = response->header->revision,
                .environment = source->environment,
                .service_name = str_text(r->service),
                .mod_revision = source->mod_revision,
            };
            mirror_note_absent(r->gateway->upstream->mirror, &absence);
        }
    }
}

static void format_tag(const Confreg__V1__GetConfigResponse *response, char tag[ETAG_SIZE])
{
    const char *epoch = response->header->epoch;
    if (response->n_sources == 2) {
        etag_format_pair(epoch, response->sources[0]->mod_revision,
                         response->sources[1]->mod_revision, tag);
    } else {
        etag_format(epoch, response->config->mod_revision, tag);
    }
}

static void show_config(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__GetConfigResponse *response = (const void *)message;
    struct json_text payload;
    if (!config_answer_payload(r, response, st, &payload)) {
        return;
    }
    char tag[ETAG_SIZE];
    format_tag(response, tag);
    note_absent(r, response);
    config_answer_hand_out(r, response->header);
    enum coding coding = CODING_PLAIN;
    bool known = is_known_to_client(r, tag, &coding);
    config_answer_add_tag(r, response->config->version, tag, coding);
    if (config_request_of(r)->poll_until_ns != 0) {
        add_applied(r);
    }
    r->gateway->configs->counters.configs_retrieved++;
    if (coding == CODING_PLAIN) { /* else a 304, and the length of the form is not known */
        str_add(&r->response.body, payload.data, payload.len);
    }
    request_answer(r, known ? 304 : 200);
}

static void ask_server(struct request *r)
{
    Confreg__V1__GetConfigRequest m = CONFREG__V1__GET_CONFIG_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = r->parameters.environment;
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&r->parameters.version, VERSION_NEVER);
    m.resolve = r->parameters.resolve;
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    metric_add(&r->gateway->configs->sources.server, 1);
    call_start(r, REGISTRY_GET_CONFIG, &m.base, r->gateway->upstream->timeout_ms, show_config);
}

void handle_get(struct request *r)
{
    if (r->parameters.apply_defaults) {
        handle_filled_get(r);
    } else if (identify_ensure(r, handle_get) && !answer_from_mirror(r)) {
        ask_server(r);
    }
}
