#include "request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

void request_init(struct request *r, struct gateway *gateway, const char *raw_target)
{
    *r = (struct request){.gateway = gateway};
    target_parse(raw_target, &r->target);
}

void request_fini(struct request *r)
{
    target_fini(&r->target);
    str_fini(&r->body_text);
    parameters_fini(&r->parameters);
    body_fini(&r->body);
    conditions_fini(&r->conditions);
    str_fini(&r->response.body);
    stream_free(r->response.stream);
    if (r->response.pull.free != NULL) {
        r->response.pull.free(r->response.pull.user);
    }
    mirror_config_unref(r->response.config);
    for (size_t i = 0; i < r->response.n_headers; i++) {
        free(r->response.headers[i].value);
    }
    *r = (struct request){0};
}

void request_answer(struct request *r, unsigned status)
{
    assert(r->response.status == 0 && "a request is answered once");
    r->response.status = status;
}

void request_refuse(struct request *r, unsigned status, const char *format, ...)
{
    char *detail = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&detail, format, arguments);
    va_end(arguments);
    if (n < 0) {
        abort();
    }
    str_clear(&r->response.body);
    str_add_text(&r->response.body, "{\"detail\":");
    json_encode_string(&r->response.body, detail, (size_t)n);
    str_add_char(&r->response.body, '}');
    free(detail);
    request_answer(r, status);
}

void request_refuse_invalid(struct request *r, const struct invalid *invalid)
{
    str_clear(&r->response.body);
    invalid_render(invalid, &r->response.body);
    request_answer(r, 422);
}

void request_add_header(struct request *r, const char *name, const char *value)
{
    assert(r->response.n_headers < RESPONSE_HEADERS);
    r->response.headers[r->response.n_headers++] =
        (struct response_header){name, mem_string(value)};
}
