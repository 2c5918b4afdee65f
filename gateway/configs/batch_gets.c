/* /api/configs:batchGet: several configs as of one revision. GET takes the names from the query, at
 * most QUERY_NAMES; POST takes them from the body, up to the server's own limit. */
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "errors.h"
#include "percent.h"
#include "render.h"
#include "routes.h"
#include "utf8.h"

#define QUERY_NAMES 100
#define BODY_NAMES_MAX 1000 /* the server's own limit */

/* The names of a request. A client writes ENVIRONMENT/SERVICE, or SERVICE for the environment
 * "default"; in a body also {"service_name", "environment"}, as in an answer. */
struct names {
    Confreg__V1__ConfigName *messages; /* this and the next two: owned arrays of `max` */
    Confreg__V1__ConfigName **list;
    struct str *texts; /* what the messages point to */
    size_t n, max;
};

static struct names *names_new(size_t max)
{
    struct names *names = mem_zalloc(sizeof *names);
    names->max = max;
    names->messages = mem_array(max, sizeof names->messages[0]);
    names->list = mem_array(max, sizeof names->list[0]);
    names->texts = mem_array(max, sizeof names->texts[0]);
    return names;
}

static void names_free(struct names *names)
{
    if (names != NULL) {
        for (size_t i = 0; i < names->n; i++) {
            str_fini(&names->texts[i]);
        }
        free(names->messages);
        free(names->list);
        free(names->texts);
        free(names);
    }
}
MEM_CLEANUP(struct names, names_free)

/* Where a name stands: as an item of a list in the body, or as one of several parameters. */
struct name_place {
    const char *place, *list;
    size_t index;
};

static void check_part(const char *part, size_t n, const struct name_place *item,
                       struct invalid *invalid)
{
    struct status st;
    if (!name_check(part, n, "name", &st)) {
        invalid_add_item(invalid, item->place, item->list, item->index, &st);
    }
}

static void refuse_count(struct invalid *invalid, const char *place, const char *list, size_t max)
{
    struct status st;
    status_bad_field(&st, list, "NAMES_COUNT", "At most %zu names%s", max,
                     max == QUERY_NAMES ? "; POST takes 1,000" : "");
    status_add_number(&st, "limit", max);
    invalid_add_status(invalid, place, list, &st);
}

/* Adds the name in text, "ENVIRONMENT/SERVICE" or "SERVICE", which is moved. */
static void add_name(struct names *names, struct str *text, const struct name_place *item,
                     struct invalid *invalid)
{
    struct str *kept = &names->texts[names->n];
    Confreg__V1__ConfigName *name = &names->messages[names->n];
    *kept = *text;
    *text = (struct str){0};
    str_add_char(kept, '\0');
    size_t n = kept->len - 1;
    char *slash = memchr(kept->data, '/', n);
    confreg__v1__config_name__init(name);
    name->service_name = slash == NULL ? kept->data : slash + 1;
    if (slash != NULL) {
        *slash = '\0';
        name->environment = kept->data;
        check_part(kept->data, (size_t)(slash - kept->data), item, invalid);
    }
    check_part(name->service_name, (size_t)(kept->data + n - name->service_name), item, invalid);
    names->list[names->n++] = name;
}

/* ---- From the query ---- */

static void read_query(struct request *r, struct names *names, struct invalid *invalid)
{
    struct query_parameter parameter;
    const struct target *target = &r->target;
    for (size_t at = 0; query_next(target->query, target->n_query, &at, &parameter);) {
        if (parameter.n_name != 4 || memcmp(parameter.name, "name", 4) != 0) {
            continue;
        }
        if (names->n == names->max) {
            refuse_count(invalid, "query", "name", names->max);
            return;
        }
        AUTO_STR text = {0};
        percent_decode(parameter.value, parameter.n_value, true, &text);
        const struct name_place item = {"query", "name", names->n};
        add_name(names, &text, &item, invalid);
    }
    if (names->n == 0) {
        invalid_add(invalid, "query", "name", FAULT_MISSING, "Field required");
    }
}

/* ---- From a body ---- */

/* Appends the string member `key`, or `otherwise` if there is no such member. False if it is not a
 * string, or missing while `otherwise` is NULL. */
static bool take_member(struct json_text object, const char *key, const char *otherwise,
                        struct str *out)
{
    struct json_text value;
    if (!json_find(object, key, &value)) {
        str_add_text(out, otherwise == NULL ? "" : otherwise);
        return otherwise != NULL;
    }
    bool is_string = json_type_of(value) == JSON_STRING;
    if (is_string) {
        json_decode_string(value, out);
    }
    return is_string;
}

/* Appends {"service_name", "environment"} as "ENVIRONMENT/SERVICE". A slash inside either member
 * becomes part of SERVICE, where the check of names reports it. */
static bool take_object(struct json_text object, struct str *out)
{
    AUTO_STR service = {0};
    if (!take_member(object, "environment", "default", out) ||
        !take_member(object, "service_name", NULL, &service)) {
        return false;
    }
    str_add_char(out, '/');
    str_add(out, str_text(&service), service.len);
    return true;
}

static bool take_item(struct json_text item, struct str *out)
{
    if (json_type_of(item) == JSON_STRING) {
        json_decode_string(item, out);
        return true;
    }
    return json_type_of(item) == JSON_OBJECT && take_object(item, out);
}

static void read_body(const struct request *r, struct names *names, struct invalid *invalid)
{
    struct json_text text;
    struct name_place item = {"body", "names", 0};
    for (size_t at = 0; json_item(r->body.list, &at, &text); item.index++) {
        AUTO_STR name = {0};
        if (names->n == names->max) {
            refuse_count(invalid, "body", "names", names->max);
            return;
        }
        if (take_item(text, &name)) {
            add_name(names, &name, &item, invalid);
        } else {
            struct status st;
            status_set(&st, STATUS_INVALID_ARGUMENT, "NAME_TYPE",
                       "Input should be a string or an object with service_name and environment");
            invalid_add_item(invalid, item.place, item.list, item.index, &st);
        }
    }
    if (item.index == 0) {
        invalid_add(invalid, "body", "names", FAULT_TOO_FEW, "At least one name");
    }
}

/* ---- The answer ---- */

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

static bool add_configs(struct str *out, const Confreg__V1__BatchGetConfigsResponse *response,
                        unsigned members)
{
    bool whole = true;
    str_add_text(out, "{\"configs\":[");
    for (size_t i = 0; i < response->n_configs && whole; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        whole = render_config(out, response->configs[i], members);
    }
    str_add_char(out, ']');
    return whole;
}

static void show_batch(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    const Confreg__V1__BatchGetConfigsResponse *response = (const void *)message;
    struct str *body = &r->response.body;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!config_answer_is_whole(r, response->header)) {
        return;
    }
    if (!add_configs(body, response, config_request_of(r)->members)) {
        config_answer_incomplete(r);
        return;
    }
    char tag[ETAG_SIZE];
    etag_format(response->header->epoch, response->header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    add_names(body, "missing", response->missing, response->n_missing);
    add_names(body, "unprocessed", response->unprocessed, response->n_unprocessed);
    if (response->n_denied > 0) {
        add_names(body, "denied", response->denied, response->n_denied);
    }
    str_add_char(body, '}');
    config_answer_hand_out(r, response->header);
    request_answer(r, 200);
}

void handle_batch(struct request *r)
{
    Confreg__V1__BatchGetConfigsRequest m = CONFREG__V1__BATCH_GET_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    struct invalid invalid = {0};
    bool in_body = r->route->body == BODY_NAMES;
    AUTO(names_free) struct names *names = names_new(in_body ? BODY_NAMES_MAX : QUERY_NAMES);
    if (in_body) {
        read_body(r, names, &invalid);
    } else {
        read_query(r, names, &invalid);
    }
    if (invalid.n > 0) {
        request_refuse_invalid(r, &invalid);
    } else {
        m.names = names->list;
        m.n_names = names->n;
        m.include_large = true;
        m.read = config_answer_read_options(r, &read);
        metric_add(&r->gateway->configs->sources.server, 1);
        call_start(r, REGISTRY_BATCH_GET_CONFIGS, &m.base, r->gateway->upstream->timeout_ms,
                   show_batch);
    }
    invalid_fini(&invalid);
}
