/* OFREP: a body with the context of the evaluation, which has no effect here, and the flags of an
 * environment over those of `default`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "door_read.h"
#include "doors.h"
#include "flags.h"
#include "identify.h"
#include "routes.h"
#include "utf8.h"

#define CONTEXT_DEPTH_MAX 64

/* The names in the path: ENVIRONMENT, KEY. */
enum { NAME_ENVIRONMENT, NAME_KEY };

static const char *key_of(const struct request *r)
{
    return r->names[NAME_KEY] == NULL ? NULL : str_text(r->names[NAME_KEY]);
}

/* ---- Errors ---- */

/* OpenFeature's error codes, which are reasons of errors, too. */
static const char *const error_codes[] = {
    [FLAG_ERROR_GENERAL] = "GENERAL",
    [FLAG_ERROR_NOT_FOUND] = "FLAG_NOT_FOUND",
    [FLAG_ERROR_PARSE] = "PARSE_ERROR",
    [FLAG_ERROR_CONTEXT] = "INVALID_CONTEXT",
};

static void refuse(struct request *r, unsigned status, enum flag_error error, const char *why)
{
    door_request_of(r)->flag_error = error;
    request_refuse(r, status, error_codes[error], "%s", why);
}

void ofrep_describe_error(struct request *r, const char *detail, struct str *members)
{
    const struct str *key = r->names[NAME_KEY];
    if (key != NULL) {
        str_add_text(members, ",\"key\":");
        json_encode_string(members, str_text(key), key->len);
    }
    str_addf(members, ",\"errorCode\":\"%s\"", error_codes[door_request_of(r)->flag_error]);
    json_add_text(members, ",\"errorDetails\":", detail);
}

/* ---- What a request says ---- */

void ofrep_parse(struct request *r, struct invalid *invalid)
{
    struct door_request *d = door_request_of(r);
    const struct str *environment = r->names[NAME_ENVIRONMENT];
    struct status st;
    if (name_check(str_text(environment), environment->len, "environment", &st)) {
        r->parameters.environment = mem_text(str_text(environment), environment->len);
    } else {
        invalid_add_status(invalid, "path", "environment", &st);
        return;
    }
    d->environments[d->n_environments++] = r->parameters.environment;
    if (strcmp(r->parameters.environment, DOOR_SHARED) != 0) {
        d->environments[d->n_environments++] = DOOR_SHARED;
    }
    config_request_parse_read(r, invalid);
}

/* Whether a context is one; NULL: what is wrong with it. */
static const char *fault_of_context(struct json_text context)
{
    struct json_text key;
    if (json_type_of(context) != JSON_OBJECT) {
        return "context should be an object";
    }
    if (json_find(context, "targetingKey", &key) && json_type_of(key) != JSON_STRING) {
        return "context.targetingKey should be a string";
    }
    return NULL;
}

/* False: the request is answered. A body without a context passes, because providers send it. */
static bool check_body(struct request *r)
{
    const struct json_limits limits = {.max_bytes = r->body_text.len,
                                       .max_depth = CONTEXT_DEPTH_MAX};
    AUTO(buf_unref) struct buf *body = NULL;
    struct json_text context;
    struct status st;
    if (!json_check(str_text(&r->body_text), r->body_text.len, &limits, "body", &body, &st)) {
        refuse(r, 400, FLAG_ERROR_PARSE, st.message);
        return false;
    }
    if (json_find(json_of_buf(body), "context", &context)) {
        const char *fault = fault_of_context(context);
        if (fault != NULL) {
            refuse(r, 400, FLAG_ERROR_CONTEXT, fault);
            return false;
        }
    }
    return true;
}

/* ---- Answers ---- */

/* Of live configs only, so that the mirror and the server, which know different tombstones, give
 * the same tag. */
static void format_tag(const struct door_heads *heads, char tag[ETAG_SIZE])
{
    if (heads->n == 1) {
        etag_format(heads->epoch, heads->items[0].mod_revision, tag);
    } else {
        etag_format_pair(heads->epoch, heads->items[0].mod_revision, heads->items[1].mod_revision,
                         tag);
    }
}

static void show_flag(struct request *r, const struct door_heads *heads)
{
    const struct str *key = r->names[NAME_KEY];
    bool is_text = strlen(str_text(key)) == key->len;
    enum flag_outcome outcome =
        is_text ? flag_add(heads, key_of(r), &r->response.body) : FLAG_UNKNOWN;
    r->gateway->configs->counters.configs_retrieved++;
    char tag[ETAG_SIZE];
    format_tag(heads, tag);
    request_add_header(r, "X-Config-Revision", tag);
    switch (outcome) {
    case FLAG_EVALUATED:
        request_answer(r, 200);
        return;
    case FLAG_UNKNOWN:
        refuse(r, 404, FLAG_ERROR_NOT_FOUND, "There is no such flag");
        return;
    case FLAG_NO_VALUE:
        refuse(r, 400, FLAG_ERROR_PARSE, FLAG_IS_ARRAY);
        return;
    }
}

static bool has_flags(const struct door_heads *heads)
{
    return heads->items[0].version != 0 || (heads->n > 1 && heads->items[1].version != 0);
}

static void show_flags(struct request *r, const struct door_heads *heads)
{
    struct str *body = &r->response.body;
    enum coding coding = CODING_PLAIN;
    char tag[ETAG_SIZE];
    if (!has_flags(heads)) {
        request_refuse(r, 404, "CONFIG_NOT_FOUND", "There is no config with flags");
        return;
    }
    format_tag(heads, tag);
    bool is_known =
        r->headers.if_none_match != NULL && etag_list_find(r->headers.if_none_match, tag, &coding);
    config_answer_add_tag(r, 0, tag, coding);
    r->gateway->configs->counters.configs_retrieved++;
    if (is_known) {
        request_answer(r, 304);
        return;
    }
    str_add_text(body, "{\"flags\":");
    flags_add_all(heads, body);
    str_addf(body, ",\"metadata\":{\"revision\":\"%s\"}}", tag);
    request_answer(r, 200);
}

void handle_flag(struct request *r)
{
    if (check_body(r) && identify_ensure(r, handle_flag)) {
        door_read(r, show_flag);
    }
}

void handle_flags(struct request *r)
{
    if (check_body(r) && identify_ensure(r, handle_flags)) {
        door_read(r, show_flags);
    }
}
