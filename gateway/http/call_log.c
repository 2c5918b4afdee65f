#include "call_log.h"

#include <string.h>
#include <strings.h>

#include "bearer.h"
#include "call_logs.h"
#include "caller.h"
#include "clock.h"
#include "credential.h"
#include "http_server.h"
#include "routes.h"

#define API "/api/"

/* Whether the request is about configs. */
static bool is_of_api(const struct request *r)
{
    return r->route != NULL && strncmp(r->route->path, API, strlen(API)) == 0;
}

bool call_log_admit(struct request *r)
{
    struct status st;
    if (!is_of_api(r) || call_logs_admit(r->gateway->logs, &st)) {
        return true;
    }
    request_refuse_status(r, 503, &st, "%s: %s", st.reason, st.message);
    return false;
}

/* ---- Who ---- */

static void add_credential(struct str *out, enum credential_kind kind, const char *id)
{
    str_addf(out, "%s:%s", credential_kind_name(kind), id);
}

/* The credential that came with the request. Whether it is good, confregd says. */
static void find_credential(const struct request *r, struct str *out)
{
    AUTO_SECRET header = {0};
    const char *token;
    size_t n;
    credential_add(r, &header);
    if (bearer_parse(str_text(&header), header.len, &token, &n) && bearer_token_check(token, n)) {
        char id[BEARER_ID_DIGITS + 1];
        struct hash hash = bearer_token_hash(token, n);
        bearer_token_id(&hash, id);
        add_credential(out, CREDENTIAL_TOKEN, id);
    } else if (header.len == 0 && r->x->certificate != NULL) {
        add_credential(out, CREDENTIAL_CERTIFICATE, r->x->certificate);
    }
}

/* ---- What ---- */

static void find_names(struct request *r, struct call_names *names)
{
    const struct parameters *p = &r->parameters;
    const char *environment = p->environment == NULL ? "*" : p->environment;
    if (r->route != NULL && r->route->kind->name_configs != NULL) {
        r->route->kind->name_configs(r, names);
    } else if (r->service != NULL) {
        call_names_add(names, environment, str_text(r->service));
    } else if (is_of_api(r) && (r->route->parameters & PARAMETER_SERVICE_FILTER) != 0) {
        AUTO_STR pattern = {0};
        str_addf(&pattern, "%s*", p->prefix_filter == NULL ? "" : p->prefix_filter);
        call_names_add(names, environment,
                       p->service_filter == NULL ? pattern.data : p->service_filter);
    }
}

/* The texts that a line borrows. */
struct call_line_texts {
    struct str credential, path;
    struct call_names names;
};

static void texts_fini(struct call_line_texts *texts)
{
    str_fini(&texts->credential);
    str_fini(&texts->path);
    call_names_fini(&texts->names);
}

static struct call_line line_of(struct request *r, struct call_line_texts *texts)
{
    find_credential(r, &texts->credential);
    str_add(&texts->path, r->target.text, r->target.n_path);
    find_names(r, &texts->names);
    return (struct call_line){
        .principal = r->x->certificate,
        .credential = str_text(&texts->credential),
        .peer = r->x->peer,
        .method = r->method,
        .path = str_text(&texts->path),
        .status = r->response.status,
        .reason = r->response.reason,
        .request_id = r->headers.idempotency_key,
        .trace = r->trace,
        .names = &texts->names,
        .duration_ns = clock_monotonic_ns() - r->begun_ns,
        .request_bytes = r->n_body,
        .response_bytes = r->n_sent,
    };
}

/* ---- Lines ---- */

void call_log_opened(struct request *r)
{
    if (r->gateway->logs != NULL) {
        struct call_line_texts texts = {0};
        struct call_line line = line_of(r, &texts);
        call_logs_add_opened(r->gateway->logs, &line);
        texts_fini(&texts);
    }
}

void call_log_ended(struct request *r)
{
    if (r->gateway->logs != NULL) {
        struct call_line_texts texts = {0};
        struct call_line line = line_of(r, &texts);
        bool reads = is_of_api(r) && !r->route->kind->writes;
        call_logs_add(r->gateway->logs, &line, reads ? CALL_READS : CALL_DOES_OTHER,
                      call_outcome_of_status(r->response.status));
        texts_fini(&texts);
    }
}

void call_log_refused(struct gateway *gateway, unsigned status, const char *reason)
{
    const struct call_line line = {.path = "", .status = status, .reason = reason};
    call_logs_add(gateway->logs, &line, CALL_DOES_OTHER, call_outcome_of_status(status));
}
