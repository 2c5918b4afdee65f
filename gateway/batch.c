/* GET /api/configs:batchGet: several configs at once, as of one revision. */
#include <string.h>

#include "answers.h"
#include "errors.h"
#include "handlers.h"
#include "percent.h"
#include "render.h"
#include "utf8.h"

#define BATCH_NAMES 100 /* more hardly fit the head of a request */

/* Names as a query gives them: name=ENVIRONMENT/SERVICE, or name=SERVICE for "default". */
struct names {
    Confreg__V1__ConfigName messages[BATCH_NAMES];
    Confreg__V1__ConfigName *list[BATCH_NAMES];
    struct str texts[BATCH_NAMES];
    size_t n;
};

static void names_free(struct names *names)
{
    if (names != NULL) {
        for (size_t i = 0; i < names->n; i++) {
            str_fini(&names->texts[i]);
        }
        free(names);
    }
}
MEM_CLEANUP(struct names, names_free)

static void check_part(const char *part, size_t n, struct invalid *invalid)
{
    struct status st;
    if (!name_check(part, n, "name", &st)) {
        invalid_add_status(invalid, "query", "name", &st);
    }
}

static void add_name(struct names *names, const struct query_parameter *parameter,
                     struct invalid *invalid)
{
    struct str *text = &names->texts[names->n];
    Confreg__V1__ConfigName *name = &names->messages[names->n];
    percent_decode(parameter->value, parameter->n_value, true, text);
    str_add_char(text, '\0');
    size_t n = text->len - 1;
    char *slash = memchr(text->data, '/', n);
    confreg__v1__config_name__init(name);
    name->service_name = slash == NULL ? text->data : slash + 1;
    if (slash != NULL) {
        *slash = '\0';
        name->environment = text->data;
        check_part(text->data, (size_t)(slash - text->data), invalid);
    }
    check_part(name->service_name, (size_t)(text->data + n - name->service_name), invalid);
    names->list[names->n++] = name;
}

static void read_names(struct request *r, struct names *names, struct invalid *invalid)
{
    struct query_parameter parameter;
    const struct target *target = &r->target;
    for (size_t at = 0; query_next(target->query, target->n_query, &at, &parameter);) {
        if (parameter.n_name != 4 || memcmp(parameter.name, "name", 4) != 0) {
            continue;
        }
        if (names->n == BATCH_NAMES) {
            invalid_add(invalid, "query", "name", "too_long", "At most 100 names");
            return;
        }
        add_name(names, &parameter, invalid);
    }
    if (names->n == 0) {
        invalid_add(invalid, "query", "name", "missing", "Field required");
    }
}

static void add_names(struct str *out, const char *member, Confreg__V1__ConfigName **names,
                      size_t n)
{
    str_addf(out, ",\"%s\":[", member);
    for (size_t i = 0; i < n; i++) {
        str_add_text(out, i == 0 ? "{\"service_name\":" : ",{\"service_name\":");
        json_encode_string(out, names[i]->service_name, strlen(names[i]->service_name));
        str_add_text(out, ",\"environment\":");
        json_encode_string(out, names[i]->environment, strlen(names[i]->environment));
        str_add_char(out, '}');
    }
    str_add_char(out, ']');
}

static void show_batch(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__BatchGetConfigsResponse *response = (const void *)message;
    struct str *body = &r->response.body;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!answer_is_whole(r, response->header)) {
        return;
    }
    char tag[ETAG_SIZE];
    etag_format(response->header->epoch, response->header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    str_add_text(body, "{\"configs\":[");
    for (size_t i = 0; i < response->n_configs; i++) {
        str_add_text(body, i == 0 ? "" : ",");
        render_config(body, response->configs[i]);
    }
    str_add_char(body, ']');
    add_names(body, "missing", response->missing, response->n_missing);
    add_names(body, "unprocessed", response->unprocessed, response->n_unprocessed);
    str_add_char(body, '}');
    answer_hand_out(r, response->header);
    request_answer(r, 200);
}

void handle_batch(struct request *r)
{
    Confreg__V1__BatchGetConfigsRequest m = CONFREG__V1__BATCH_GET_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    struct invalid invalid = {0};
    AUTO(names_free) struct names *names = mem_zalloc(sizeof *names);
    read_names(r, names, &invalid);
    if (invalid.n > 0) {
        request_refuse_invalid(r, &invalid);
    } else {
        m.names = names->list;
        m.n_names = names->n;
        m.read = answer_read_options(r, &read);
        metric_add(&r->gateway->sources.server, 1);
        call_start(r, CLIENT_BATCH_GET_CONFIGS, &m.base, r->gateway->timeout_ms, show_batch);
    }
    invalid_fini(&invalid);
}
