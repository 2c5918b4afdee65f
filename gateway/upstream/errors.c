#include "errors.h"

#include <string.h>

#include "routes.h"

/* The first row that fits counts; OUTCOME_OTHER fits every outcome. */
static const struct {
    enum status_code code;
    enum outcome outcome;
    unsigned http;
} rows[] = {
    {STATUS_INVALID_ARGUMENT, OUTCOME_OTHER, 422},
    {STATUS_NOT_FOUND, OUTCOME_OTHER, 404},
    {STATUS_ALREADY_EXISTS, OUTCOME_OTHER, 409},
    {STATUS_ABORTED, OUTCOME_OTHER, 409},
    {STATUS_FAILED_PRECONDITION, OUTCOME_PAYLOAD_COMPACTED, 410},
    {STATUS_FAILED_PRECONDITION, OUTCOME_REQUEST_ID_REUSED, 422},
    {STATUS_FAILED_PRECONDITION, OUTCOME_OTHER, 409},
    {STATUS_UNAUTHENTICATED, OUTCOME_OTHER, 401},
    {STATUS_PERMISSION_DENIED, OUTCOME_OTHER, 403},
    {STATUS_RESOURCE_EXHAUSTED, OUTCOME_OVERLOADED, 429},
    {STATUS_RESOURCE_EXHAUSTED, OUTCOME_LIMIT_EXCEEDED, 429},
    {STATUS_RESOURCE_EXHAUSTED, OUTCOME_WATCHES_COUNT, 429},
    {STATUS_RESOURCE_EXHAUSTED, OUTCOME_OTHER, 413},
    {STATUS_OUT_OF_RANGE, OUTCOME_REVISION_AHEAD, 422},
    {STATUS_OUT_OF_RANGE, OUTCOME_OTHER, 410},
    {STATUS_UNAVAILABLE, OUTCOME_OTHER, 503},
    {STATUS_CANCELLED, OUTCOME_OTHER, 503}, /* the gateway stops */
    {STATUS_DEADLINE_EXCEEDED, OUTCOME_OTHER, 504},
};

unsigned errors_http_status(const struct status *st)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].code == st->code &&
            (rows[i].outcome == OUTCOME_OTHER || rows[i].outcome == st->outcome)) {
            return rows[i].http;
        }
    }
    return 500;
}

/* The field of the gRPC request that the status is about; "": it names none. */
static const char *field_of(const struct status *st)
{
    return st->outcome == OUTCOME_REQUEST_ID_REUSED ? "request_id" : st->field;
}

/* A gRPC request's field in the HTTP request: mostly it has the same name. NULL: the status names
 * none. */
static const char *name_of(const struct status *st)
{
    static const char *const others[][2] = {{"page_token", "page"},
                                            {"json_pointer", "pointer"},
                                            {"page_size", "limit"},
                                            {"service_name_prefix", "prefix"},
                                            {"request_id", "Idempotency-Key"}};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(field_of(st), others[i][0]) == 0) {
            return others[i][1];
        }
    }
    return st->field[0] == '\0' ? NULL : st->field;
}

/* Its place: a header, the path, the query if the route has a parameter of that name, else the
 * body. */
static const char *place_of(const struct request *r, const struct status *st, const char *name)
{
    if (strcmp(field_of(st), "request_id") == 0) {
        return "header";
    }
    if (name != NULL && r->service != NULL && strcmp(name, "service_name") == 0) {
        return "path";
    }
    return name != NULL && parameters_take(r->route->parameters, name) ? "query" : "body";
}

/* Faults within a JSON value have pointers into it. */
static bool has_pointers(const struct status *st)
{
    return st->n_violations > 1 ||
           (st->n_violations == 1 && strchr(st->violations[0].field, '/') != NULL);
}

static void refuse_value(struct request *r, const struct status *st)
{
    struct invalid invalid = {0};
    for (size_t i = 0; i < st->n_violations; i++) {
        invalid_add_violation(&invalid, "body", st, &st->violations[i]);
    }
    request_refuse_invalid(r, &invalid);
    invalid_fini(&invalid);
}

static void refuse_field(struct request *r, const struct status *st)
{
    struct invalid invalid = {0};
    const char *name = name_of(st);
    invalid_add_status(&invalid, place_of(r, st, name), name, st);
    request_refuse_invalid(r, &invalid);
    invalid_fini(&invalid);
}

static const char *what_to_do(const struct request *r)
{
    return r->headers.idempotency_key != NULL
               ? "Repeat it with the same Idempotency-Key"
               : "Read the configuration before repeating it, or send an Idempotency-Key next time";
}

/* The server left open whether the write happened. */
static void answer_unknown(struct request *r, unsigned http, const struct status *st)
{
    request_refuse_status(r, http, st, "%s: %s. %s", st->reason, st->message, what_to_do(r));
}

/* The call ended without the server's word. A write may have happened: the core does not tell
 * reliably whether a call was sent. What the transport says names addresses of the inner
 * network; the log has it. */
static void answer_unheard(struct request *r, const struct status *st)
{
    unsigned http = errors_http_status(st);
    bool away = st->code == STATUS_UNAVAILABLE;
    bool stopping = st->code == STATUS_CANCELLED;
    const char *why = away       ? "The registry server cannot be reached"
                      : stopping ? "The gateway is stopping"
                                 : "The registry server did not answer in time";
    const char *reason = away ? "SERVER_AWAY" : stopping ? "SHUTTING_DOWN" : "SERVER_LATE";
    if (r->route->kind->writes) {
        request_refuse(r, http, "OUTCOME_UNKNOWN",
                       "OUTCOME_UNKNOWN: whether the write happened is not known: %s. %s", why,
                       what_to_do(r));
    } else {
        request_refuse(r, http, reason, "%s", why);
    }
}

static void answer(struct request *r, const struct status *st)
{
    unsigned http = errors_http_status(st);
    if (http == 401) {
        request_add_header(r, "WWW-Authenticate", "Bearer realm=\"confreg\"");
    }
    request_add_retry(r, st);
    if (http == 422) {
        (has_pointers(st) ? refuse_value : refuse_field)(r, st);
    } else if (st->outcome == OUTCOME_UNKNOWN) {
        answer_unknown(r, http, st);
    } else if (st->reason[0] != '\0') {
        request_refuse_status(r, http, st, "%s: %s", st->reason, st->message);
    } else if (st->code == STATUS_UNAVAILABLE || st->code == STATUS_CANCELLED ||
               st->code == STATUS_DEADLINE_EXCEEDED) {
        answer_unheard(r, st);
    } else {
        request_refuse_status(r, http, st, "%s", st->message);
    }
}

void errors_answer(struct request *r, const struct status *st)
{
    if (st->code != STATUS_UNAUTHENTICATED) {
        answer(r, st);
        return;
    }
    struct status told = *st;
    request_fail(r, &told);
    answer(r, &told);
}
