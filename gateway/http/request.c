#include "request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "problem.h"
#include "routes.h"

const struct request_kind request_open = {.size = sizeof(struct request), .is_open = true};
const struct request_kind request_document = {
    .size = sizeof(struct request), .is_open = true, .has_forms = true};

void request_init(struct request *r, struct gateway *gateway, const char *raw_target)
{
    r->gateway = gateway;
    target_parse(raw_target, &r->target);
}

void request_fini(struct request *r)
{
    struct response *response = &r->response;
    assert(r->suspended == NULL && "nothing uses a request that ends");
    if (r->route != NULL && r->route->kind->fini != NULL) {
        r->route->kind->fini(r);
    }
    if (response->pull.free != NULL) {
        response->pull.free(response->pull.user);
    }
    target_fini(&r->target);
    str_fini(&r->body_text);
    parameters_fini(&r->parameters);
    body_fini(&r->body);
    str_fini(&response->body);
    for (size_t i = 0; i < response->n_headers; i++) {
        free(response->headers[i].value);
    }
    for (size_t i = 0; i < REQUEST_HEADERS; i++) {
        free(r->joined[i]);
    }
    *r = (struct request){0};
}

void request_answer(struct request *r, unsigned status)
{
    assert(r->response.status == 0 && "a request is answered once");
    r->response.status = status;
}

/* The body is to be an error in the form returned: removes what it held. */
static enum problem_form begin_problem(struct request *r)
{
    enum problem_form form = problem_form_of(r->headers.accept);
    r->response.content_type = problem_content_type(form);
    request_add_header(r, "Vary", "Accept");
    str_clear(&r->response.body);
    return form;
}

/* The reason is noted. */
static void describe(struct request *r, const char *detail, struct str *members)
{
    if (r->route != NULL && r->route->kind->describe_error != NULL) {
        r->route->kind->describe_error(r, detail, members);
    }
}

__attribute__((format(printf, 4, 0))) static void refuse(struct request *r, unsigned status,
                                                         struct str *members, const char *format,
                                                         va_list arguments)
{
    char *detail = NULL;
    int n = vasprintf(&detail, format, arguments);
    if (n < 0) {
        abort();
    }
    describe(r, detail, members);
    const struct problem problem = {
        .status = status, .detail = detail, .n_detail = (size_t)n, .members = members};
    problem_render(&r->response.body, begin_problem(r), &problem);
    free(detail);
    request_answer(r, status);
}

static void note_reason(struct request *r, const char *reason)
{
    snprintf(r->response.reason, sizeof r->response.reason, "%s", reason);
}

void request_refuse(struct request *r, unsigned status, const char *reason, const char *format, ...)
{
    AUTO_STR members = {0};
    va_list arguments;
    note_reason(r, reason);
    problem_add_reason(&members, reason, NULL);
    va_start(arguments, format);
    refuse(r, status, &members, format, arguments);
    va_end(arguments);
}

void request_refuse_status(struct request *r, unsigned status, const struct status *st,
                           const char *format, ...)
{
    AUTO_STR members = {0};
    va_list arguments;
    note_reason(r, st->reason);
    problem_add_status(&members, st);
    va_start(arguments, format);
    refuse(r, status, &members, format, arguments);
    va_end(arguments);
}

void request_refuse_invalid(struct request *r, struct invalid *invalid)
{
    enum problem_form form = begin_problem(r);
    unsigned status = r->route == NULL ? 0 : r->route->kind->invalid_status;
    status = status == 0 ? 422 : status;
    note_reason(r, invalid->reason);
    describe(r, "The request has faults, which detail lists", &invalid->members);
    invalid_render(invalid, status, form, &r->response.body);
    request_answer(r, status);
}

void request_add_header(struct request *r, const char *name, const char *value)
{
    assert(r->response.n_headers < RESPONSE_HEADERS);
    r->response.headers[r->response.n_headers++] =
        (struct response_header){name, mem_string(value)};
}

bool request_use(struct request *r, enum limit_gauge gauge)
{
    struct status st;
    if (!party_take(r->party, gauge, 1, &st)) {
        request_add_retry(r, &st);
        request_refuse_status(r, 429, &st, "%s: %s", st.reason, st.message);
        return false;
    }
    r->used |= 1u << gauge;
    return true;
}

void request_unuse(struct request *r, enum limit_gauge gauge)
{
    if ((r->used >> gauge & 1) != 0) {
        party_give(r->party, gauge, 1);
        r->used &= ~(1u << gauge);
    }
}

void request_fail(struct request *r, struct status *st)
{
    r->hold_ns = party_fail(r->party, st);
    r->used |= r->hold_ns > 0 ? 1u << LIMIT_HELD : 0;
}

bool request_will_last(struct request *r)
{
    if ((r->used >> LIMIT_STREAMS & 1) == 0 && !request_use(r, LIMIT_STREAMS)) {
        return false;
    }
    request_unuse(r, LIMIT_CALLS);
    r->lasts = true;
    return true;
}

void request_add_retry(struct request *r, const struct status *st)
{
    char seconds[24];
    if (st->retry_ms > 0) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)(st->retry_ms + 999) / 1000);
        request_add_header(r, "Retry-After", seconds);
    }
}

void request_add_next_page(struct request *r, const char *token)
{
    AUTO_STR link = {0};
    str_add_char(&link, '<');
    target_of_page(&r->target, token, &link);
    str_add_text(&link, ">; rel=\"next\"");
    request_add_header(r, "Link", link.data);
}

void request_suspend(struct request *r, const struct suspension *suspension)
{
    assert(r->suspended == NULL && "a request waits for one thing at a time");
    r->suspended = suspension;
}

void request_resumed(struct request *r)
{
    assert(r->suspended != NULL);
    r->suspended = NULL;
}
