#include "body.h"

#include <string.h>
#include <strings.h>

#include "unknown.h"
#include "utf8.h"

bool content_type_is_json(const char *content_type)
{
    static const char application[] = "application/";
    content_type += strspn(content_type, " \t");
    size_t n = strcspn(content_type, "; \t");
    size_t n_type = sizeof application - 1;
    if (n < n_type + 4 || strncasecmp(content_type, application, n_type) != 0 ||
        strncasecmp(content_type + n - 4, "json", 4) != 0) {
        return false;
    }
    return n == n_type + 4 || content_type[n - 5] == '+';
}

/* Whether it is that type, whatever its parameters. */
static bool is_type(const char *content_type, const char *type)
{
    content_type += strspn(content_type, " \t");
    size_t n = strcspn(content_type, "; \t");
    return n == strlen(type) && strncasecmp(content_type, type, n) == 0;
}

enum patch_kind content_type_patch_kind(const char *content_type)
{
    return content_type == NULL || is_type(content_type, "application/merge-patch+json") ||
                   is_type(content_type, "application/json")
               ? PATCH_MERGE
           : is_type(content_type, "application/json-patch+json") ? PATCH_JSON
                                                                  : PATCH_UNKNOWN;
}

bool content_encoding_is_plain(const char *content_encoding)
{
    static const char identity[] = "identity";
    const char *at = content_encoding == NULL ? "" : content_encoding;
    while (*(at += strspn(at, " \t,")) != '\0') {
        size_t n = strcspn(at, " \t,");
        if (n != sizeof identity - 1 || strncasecmp(at, identity, n) != 0) {
            return false;
        }
        at += n;
    }
    return true;
}

/* Adds the fault of a body that is not what the call takes; if its Content-Type is that of a patch,
 * says where patches go. */
static void refuse_shape(struct invalid *invalid, const char *name, enum fault fault,
                         const char *message, const char *content_type)
{
    bool is_patch = content_type != NULL && (is_type(content_type, "application/json-patch+json") ||
                                             is_type(content_type, "application/merge-patch+json"));
    AUTO_STR text = {0};
    str_add_text(&text, message);
    if (is_patch) {
        str_add_text(&text, ". A patch goes to PATCH /api/configs/{service}; here the Content-Type "
                            "should be application/json");
    }
    invalid_add(invalid, "body", name, fault, text.data);
}

static void check_object(struct body *body, const char *name, const char *content_type,
                         struct invalid *invalid)
{
    if (!json_find(json_of_buf(body->json), name, &body->config_data)) {
        refuse_shape(invalid, name, FAULT_MISSING, "Field required", content_type);
    } else if (json_type_of(body->config_data) != JSON_OBJECT) {
        invalid_add(invalid, "body", name, FAULT_NO_DICTIONARY,
                    "Input should be a valid dictionary");
    }
}

/* Returns whether it was given. */
static bool take_text(const struct body *body, const char *name, struct str *text,
                      struct invalid *invalid)
{
    struct json_text value;
    struct status st;
    if (!json_find(json_of_buf(body->json), name, &value)) {
        return false;
    }
    if (json_type_of(value) != JSON_STRING) {
        invalid_add(invalid, "body", name, FAULT_NO_STRING, "Input should be a valid string");
        return true;
    }
    json_decode_string(value, text);
    /* A NUL would cut the text short on its way; how long it may be is the server's to say. */
    if (!text_check(str_text(text), text->len, SIZE_MAX, name, &st)) {
        invalid_add_status(invalid, "body", name, &st);
    }
    return true;
}

/* The whole body must be JSON as strict as payloads are. So a duplicate key is refused wherever it
 * is: of two members config_data, either could be meant. */
static bool check_json(const struct str *text, const char *content_type, struct body *body,
                       struct invalid *invalid)
{
    struct json_limits limits = {.max_bytes = text->len, .max_depth = JSON_DEPTH_MAX};
    struct status st;
    size_t offset;
    if (!json_check_value(str_text(text), text->len, &limits, "body", &offset, &body->json, &st)) {
        if (content_type == NULL) {
            status_context(&st, "The body was read as JSON, as the Content-Type header is missing");
        }
        invalid_set_json(invalid, offset, &st);
        return false;
    }
    return true;
}

static void check_version(struct body *body, struct invalid *invalid)
{
    struct json_text value;
    if (!json_find(json_of_buf(body->json), "version", &value)) {
        return;
    }
    if (json_type_of(value) != JSON_NUMBER ||
        !number_parse(value.data, value.len, &body->version)) {
        invalid_add(invalid, "body", "version", FAULT_NO_INTEGER,
                    "Input should be a valid integer");
    }
}

static void check_list(struct body *body, const char *name, struct invalid *invalid)
{
    if (!json_find(json_of_buf(body->json), name, &body->list)) {
        invalid_add(invalid, "body", name, FAULT_MISSING, "Field required");
    } else if (json_type_of(body->list) != JSON_ARRAY) {
        invalid_add(invalid, "body", name, FAULT_NO_LIST, "Input should be a valid list");
    }
}

static void check_patch(struct body *body, const char *content_type, struct invalid *invalid)
{
    body->config_data = json_of_buf(body->json);
    body->patch_kind = content_type_patch_kind(content_type);
    enum json_type type = json_type_of(body->config_data);
    if (body->patch_kind == PATCH_JSON && type != JSON_ARRAY) {
        invalid_add(invalid, "body", NULL, FAULT_NO_LIST, "Input should be a valid list");
    }
    if (body->patch_kind != PATCH_JSON && type != JSON_OBJECT) {
        invalid_add(invalid, "body", NULL, FAULT_NOT_AN_OBJECT,
                    "Input should be a valid dictionary or object to extract fields from");
    }
}

static void check_members(enum body_kind kind, struct body *body, const char *content_type,
                          struct invalid *invalid)
{
    if (kind == BODY_NAMES) {
        check_list(body, "names", invalid);
        return;
    }
    if (kind == BODY_CHANGES) {
        check_list(body, "changes", invalid);
    } else if (kind == BODY_VERSION) {
        check_version(body, invalid);
    } else {
        check_object(body, kind == BODY_SCHEMA ? "schema" : "config_data", content_type, invalid);
    }
    take_text(body, "comment", &body->comment, invalid);
    body->has_created_by = take_text(body, "created_by", &body->created_by, invalid);
}

/* The members of a kind of body. NULL: all names are members of the config. */
static const struct known_names *names_of(enum body_kind kind)
{
    static const struct known_names of_config = {{"config_data", "comment", "created_by"}, 3};
    static const struct known_names of_schema = {{"schema", "comment", "created_by"}, 3};
    static const struct known_names of_version = {{"version", "comment", "created_by"}, 3};
    static const struct known_names of_names = {{"names"}, 1};
    static const struct known_names of_changes = {{"changes", "comment", "created_by"}, 3};
    switch (kind) {
    case BODY_CONFIG:
        return &of_config;
    case BODY_SCHEMA:
        return &of_schema;
    case BODY_VERSION:
        return &of_version;
    case BODY_NAMES:
        return &of_names;
    case BODY_CHANGES:
        return &of_changes;
    default:
        return NULL;
    }
}

static void report_unknown(enum body_kind kind, bool strict, struct body *body,
                           struct invalid *invalid)
{
    const struct known_names *known = names_of(kind);
    struct json_text key, value;
    for (size_t at = 0; known != NULL && json_member(json_of_buf(body->json), &at, &key, &value);) {
        AUTO_STR name = {0};
        json_decode_string(key, &name);
        if (is_known_name(&name, known)) {
            continue;
        }
        if (strict) {
            unknown_refuse(invalid, "body", &name, known);
        } else {
            unknown_ignore(&body->ignored, &name);
        }
    }
}

void body_parse(enum body_kind kind, bool strict, const struct str *text, const char *content_type,
                struct body *ret, struct invalid *invalid)
{
    size_t n = text->len;
    *ret = (struct body){0};
    if (kind == BODY_OWN) {
        return;
    }
    if (kind == BODY_EMPTY) {
        if (n > 0) {
            invalid_add(invalid, "body", NULL, FAULT_UNKNOWN, "A body is not permitted here");
        }
        return;
    }
    if (n == 0 && kind == BODY_VERSION) {
        return;
    }
    if (n == 0) {
        invalid_add(invalid, "body", NULL, FAULT_MISSING, "Field required");
        return;
    }
    bool is_json = content_type == NULL || content_type_is_json(content_type);
    if (is_json && !check_json(text, content_type, ret, invalid)) {
        return;
    }
    if (!is_json) {
        invalid_add(invalid, "body", NULL, FAULT_MEDIA_TYPE,
                    "The body was not read: its Content-Type should be application/json");
        return;
    }
    if (kind == BODY_PATCH) {
        check_patch(ret, content_type, invalid);
        return;
    }
    if (json_type_of(json_of_buf(ret->json)) != JSON_OBJECT) {
        refuse_shape(invalid, NULL, FAULT_NOT_AN_OBJECT,
                     "Input should be a valid dictionary or object to extract fields from",
                     content_type);
        return;
    }
    check_members(kind, ret, content_type, invalid);
    report_unknown(kind, strict, ret, invalid);
}

void body_fini(struct body *body)
{
    buf_unref(body->json);
    number_fini(&body->version);
    str_fini(&body->comment);
    str_fini(&body->created_by);
    str_fini(&body->ignored);
    *body = (struct body){0};
}
