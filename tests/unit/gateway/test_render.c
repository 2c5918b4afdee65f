#include "render.h"

#include <string.h>

#include "api.h"
#include "config_request.h"
#include "errors.h"
#include "leak_check.h"
#include "payload.h"

TestSuite(render, .fini = leak_check);

static char text[] = "text"; /* protobuf-c's members are not const */

static ProtobufCBinaryData bytes(char *json)
{
    return (ProtobufCBinaryData){strlen(json), (uint8_t *)json};
}

#define WHEN "2026-01-31T09:18:40.507038Z"
static Google__Protobuf__Timestamp when = {
    PROTOBUF_C_MESSAGE_INIT(&google__protobuf__timestamp__descriptor), 1769851120, 507038999};

Test(render, comments_and_authors)
{
    static const struct {
        Confreg__V1__ChangeKind kind;
        uint64_t version, source;
        const char *comment;
        const char *created_by; /* NULL: nobody said so */
        const char *shown;
    } cases[] = {
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE, 1, 0, "why", "ada",
         "\"created_by\":\"ada\",\"comment\":\"why\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE, 1, 0, "", NULL,
         "\"created_by\":\"system\",\"comment\":\"Initial configuration\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE, 4, 0, "", "",
         "\"created_by\":\"\",\"comment\":\"Initial configuration\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UPDATE, 2, 0, "", NULL,
         "\"created_by\":\"system\",\"comment\":\"Updated to version 2\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_IMPORT, 1, 0, "", NULL,
         "\"created_by\":\"system\",\"comment\":\"Initial configuration\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_ROLLBACK, 3, 1, "", NULL,
         "\"created_by\":\"system\",\"comment\":\"Rolled back to version 1\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UNDELETE, 4, 3, "", NULL,
         "\"created_by\":\"system\",\"comment\":\"Undeleted with the data of version 3\"}"},
        {CONFREG__V1__CHANGE_KIND__CHANGE_KIND_ROLLBACK, 3, 1, "a \"b\"\n", "\x01",
         "\"created_by\":\"\\u0001\",\"comment\":\"a \\\"b\\\"\\n\"}"},
    };
    char data[] = "{}";
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Confreg__V1__Version version = CONFREG__V1__VERSION__INIT;
        AUTO(free) char *comment = mem_string(cases[i].comment);
        AUTO(free)
        char *author = mem_string(cases[i].created_by == NULL ? "" : cases[i].created_by);
        AUTO_STR out = {0};
        version.kind = cases[i].kind;
        version.version = cases[i].version;
        version.source_version = cases[i].source;
        version.comment = comment;
        version.create_time = &when;
        if (cases[i].created_by != NULL) {
            version.created_by = author;
            version.created_by_empty = author[0] == '\0';
        }
        version.config_data = bytes(data);
        cr_assert(render_version(&out, "s", "e", &version, DOCUMENT_ALL));
        const char *shown = strstr(out.data, "\"created_by\"");
        cr_expect_str_eq(shown, cases[i].shown);
    }
}

/* Rendering a config without payload returns false and appends nothing, for every payload_state. */
Test(render, a_payload_that_is_gone)
{
    static const Confreg__V1__PayloadState states[] = {
        CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_UNSPECIFIED,
        CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED,
        CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_COMPACTED,
        CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED,
    };
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        Confreg__V1__Version version = CONFREG__V1__VERSION__INIT;
        Confreg__V1__Config config = CONFREG__V1__CONFIG__INIT;
        struct mirror_config mirrored = {.service_name = text, .environment = text};
        AUTO_STR out = {0};
        version.payload_state = config.payload_state = states[i];
        cr_expect_not(render_version(&out, text, text, &version, DOCUMENT_ALL));
        cr_expect_not(render_config(&out, &config, DOCUMENT_ALL));
        cr_expect_not(render_mirrored(&out, &mirrored, DOCUMENT_ALL));
        cr_expect_eq(payload_of_config(&config).len, 0);
        cr_expect_eq(out.len, 0);
    }
}

Test(render, a_document_keeps_every_byte_of_its_data)
{
    char data[] = "{\"z\":1.0,\"a\":0.10000000000000000555,\"s\":\"\\u00e9\\/\"}";
    char service[] = "a\"b\\";
    char environment[] = "\xc3\xa9";
    Confreg__V1__Config config = CONFREG__V1__CONFIG__INIT;
    AUTO_STR out = {0};
    config.service_name = service;
    config.environment = environment;
    config.version = 18446744073709551615u;
    config.comment = text;
    config.created_by = text;
    config.create_time = &when;
    config.config_data = bytes(data);
    cr_assert(render_config(&out, &config, DOCUMENT_ALL));
    cr_expect_str_eq(out.data, "{\"service_name\":\"a\\\"b\\\\\",\"environment\":\"\xc3\xa9\","
                               "\"version\":18446744073709551615,\"config_data\":"
                               "{\"z\":1.0,\"a\":0.10000000000000000555,\"s\":\"\\u00e9\\/\"},"
                               "\"created_at\":\"" WHEN "\",\"updated_at\":\"" WHEN "\","
                               "\"created_by\":\"text\",\"comment\":\"text\"}");
}

Test(render, a_difference)
{
    char one[] = "1";
    char two[] = "{\"b\":null}";
    char key[] = "k\"";
    Confreg__V1__Diff diff = CONFREG__V1__DIFF__INIT;
    Confreg__V1__DiffEntry entry = CONFREG__V1__DIFF_ENTRY__INIT;
    Confreg__V1__DiffEntry *entries[] = {&entry, &entry};
    AUTO_STR out = {0};
    diff.service_name = text;
    diff.environment = text;
    diff.old_version = 1;
    diff.new_version = 2;
    render_diff(&out, &diff);
    cr_expect_str_eq(out.data,
                     "{\"service_name\":\"text\",\"environment\":\"text\",\"old_version\":1,"
                     "\"new_version\":2,\"added\":{},\"removed\":{},\"changed\":{}}");
    entry.key = key;
    entry.old_value = bytes(one);
    entry.new_value = bytes(two);
    diff.added = diff.removed = diff.changed = entries;
    diff.n_added = diff.n_changed = 1;
    diff.n_removed = 2;
    str_clear(&out);
    render_diff(&out, &diff);
    cr_expect_str_eq(strstr(out.data, "\"added\""),
                     "\"added\":{\"k\\\"\":{\"b\":null}},\"removed\":{\"k\\\"\":1,\"k\\\"\":1},"
                     "\"changed\":{\"k\\\"\":{\"old\":1,\"new\":{\"b\":null}}}}");
}

Test(render, counters)
{
    struct counters counters = {1, 2, 3, 4, 5};
    AUTO_STR out = {0};
    render_counters(&out, &counters, true);
    cr_expect_str_eq(out.data,
                     "\"configs_created\":1,\"configs_updated\":2,\"configs_retrieved\":3,"
                     "\"configs_deleted\":4,\"notifications_sent\":5");
    str_clear(&out);
    render_counters(&out, &counters, false);
    cr_expect_null(strstr(out.data, "deleted"));
}

Test(render, failures)
{
    static const struct {
        enum status_code code;
        const char *reason;
        unsigned http;
    } cases[] = {
        {STATUS_INVALID_ARGUMENT, "JSON_SYNTAX", 422},
        {STATUS_NOT_FOUND, "CONFIG_NOT_FOUND", 404},
        {STATUS_ALREADY_EXISTS, "CONFIG_EXISTS", 409},
        {STATUS_ABORTED, "VERSION_MISMATCH", 409},
        {STATUS_FAILED_PRECONDITION, "EPOCH_MISMATCH", 409},
        {STATUS_FAILED_PRECONDITION, "PAYLOAD_COMPACTED", 410},
        {STATUS_UNAUTHENTICATED, "", 401},
        {STATUS_PERMISSION_DENIED, "", 403},
        {STATUS_RESOURCE_EXHAUSTED, "JSON_TOO_LARGE", 413},
        {STATUS_RESOURCE_EXHAUSTED, "OVERLOADED", 429},
        {STATUS_RESOURCE_EXHAUSTED, "WATCHES_COUNT", 429},
        {STATUS_RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", 429},
        {STATUS_OUT_OF_RANGE, "", 410},
        {STATUS_UNAVAILABLE, "", 503},
        {STATUS_CANCELLED, "", 503},
        {STATUS_DEADLINE_EXCEEDED, "", 504},
        {STATUS_UNKNOWN, "", 500},
        {STATUS_INTERNAL, "", 500},
        {STATUS_DATA_LOSS, "LOG_DAMAGED", 500},
        {STATUS_UNIMPLEMENTED, "", 500},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status st;
        status_set(&st, cases[i].code, "", "why");
        status_set_reason(&st, cases[i].reason); /* as a server sends it */
        cr_expect_eq(errors_http_status(&st), cases[i].http, "%s %s",
                     status_code_name(cases[i].code), cases[i].reason);
    }
}

static const struct route *find_route(const char *method, const char *path)
{
    const struct route *route = api_routes.rows;
    while (strcmp(route->method, method) != 0 || strcmp(route->path, path) != 0) {
        route++;
    }
    return route;
}

/* Messages of the transport contain addresses of the inner network. */
Test(render, an_unreachable_server_is_not_named)
{
    struct request r = {.route = find_route("GET", "/api/watch")};
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "", "failed to connect to ipv4:10.0.0.7:50051");
    errors_answer(&r, &st);
    cr_expect_eq(r.response.status, 503);
    cr_expect_null(strstr(str_text(&r.response.body), "10.0.0.7"));
    request_fini(&r);
}

/* Nobody knows what became of a write, unless the server said so. */
Test(render, a_write_that_was_not_heard_of_is_in_doubt)
{
    static const char named[] = "/api/configs/*";
    static const struct {
        const char *method, *path;
        enum status_code code;
        const char *reason;
        unsigned http;
        bool in_doubt;
    } cases[] = {
        {"POST", named, STATUS_UNAVAILABLE, "", 503, true},
        {"PUT", named, STATUS_DEADLINE_EXCEEDED, "", 504, true},
        {"PATCH", named, STATUS_DEADLINE_EXCEEDED, "", 504, true},
        {"DELETE", named, STATUS_UNAVAILABLE, "", 503, true},
        {"POST", "/api/configs/*/rollback", STATUS_CANCELLED, "", 503, true},
        {"PUT", named, STATUS_UNAVAILABLE, "SHUTTING_DOWN", 503, false},
        {"PUT", named, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", 503, false},
        {"PUT", named, STATUS_DEADLINE_EXCEEDED, "NOT_STARTED", 504, false},
        {"GET", named, STATUS_UNAVAILABLE, "", 503, false},
        {"GET", "/api/configs/*/history", STATUS_DEADLINE_EXCEEDED, "", 504, false},
        {"POST", "/api/configs:batchGet", STATUS_UNAVAILABLE, "", 503, false},
        {"GET", "/api/watch", STATUS_UNAVAILABLE, "", 503, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct config_request c = {.upstream.base.route =
                                       find_route(cases[i].method, cases[i].path)};
        struct request *r = &c.upstream.base;
        struct status st;
        status_set(&st, cases[i].code, cases[i].reason, "why");
        errors_answer(r, &st);
        const char *body = str_text(&r->response.body);
        cr_expect_eq(r->response.status, cases[i].http);
        cr_expect_eq(strncmp(body, "{\"detail\":\"OUTCOME_UNKNOWN: ", 28) == 0, cases[i].in_doubt,
                     "%zu: %s", i, body);
        request_fini(r);
    }
}

Test(render, a_refused_field_is_told_with_its_place)
{
    static const char named[] = "/api/configs/*";
    static const struct {
        const char *method, *path, *field, *reason, *shown;
    } cases[] = {
        {"PUT", named, "service_name", "NAME_TOO_LONG", "\"loc\":[\"path\",\"service_name\"]"},
        {"PUT", named, "environment", "NAME_TOO_LONG", "\"loc\":[\"query\",\"environment\"]"},
        {"PUT", named, "comment", "TEXT_TOO_LONG", "\"loc\":[\"body\",\"comment\"]"},
        {"PUT", named, "config_data", "JSON_DEPTH", "\"loc\":[\"body\",\"config_data\"]"},
        {"PUT", named, "", "CONTENT_MISSING", "\"loc\":[\"body\"]"},
        {"PATCH", named, "comment", "TEXT_TOO_LONG", "\"loc\":[\"query\",\"comment\"]"},
        {"POST", "/api/commits", "changes[2].update.config_data", "JSON_DEPTH",
         "\"loc\":[\"body\",\"changes\",2,\"update\",\"config_data\"]"},
        {"POST", "/api/commits", "changes[127]", "CHANGE_MISSING",
         "\"loc\":[\"body\",\"changes\",127]"},
        {"GET", named, "version", "VERSION_WITH_RESOLVE", "\"loc\":[\"query\",\"version\"]"},
        {"POST", "/api/configs/*/rollback", "version", "VERSION_MISSING",
         "\"loc\":[\"body\",\"version\"]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR service = {0};
        struct config_request c = {
            .upstream.base = {.route = find_route(cases[i].method, cases[i].path),
                              .service = &service}};
        struct request *r = &c.upstream.base;
        struct status st;
        status_bad_field(&st, cases[i].field, cases[i].reason, "why");
        errors_answer(r, &st);
        cr_expect_eq(r->response.status, 422);
        cr_expect_not_null(strstr(str_text(&r->response.body), cases[i].shown), "%s",
                           str_text(&r->response.body));
        AUTO_STR members = {0};
        str_addf(&members, "],\"reason\":\"%s\"", cases[i].reason);
        if (cases[i].field[0] != '\0') {
            str_addf(&members, ",\"field\":\"%s\"", cases[i].field);
        }
        str_add_char(&members, '}');
        cr_expect_not_null(strstr(str_text(&r->response.body), members.data), "%s",
                           str_text(&r->response.body));
        request_fini(r);
    }
}

Test(render, an_error_tells_programs_what_the_status_tells)
{
    struct config_request c = {.upstream.base.route = find_route("GET", "/api/configs/*")};
    struct request *r = &c.upstream.base;
    struct status st;
    status_set(&st, STATUS_ABORTED, "VERSION_MISMATCH", "prod/a is at \"7\"");
    status_add_number(&st, "current_version", 7);
    status_add_number(&st, "current_revision", UINT64_MAX);
    status_add_info(&st, "current_epoch", "0123456789abcdef");
    status_add_info(&st, "change", "3");
    errors_answer(r, &st);
    cr_expect_eq(r->response.status, 409);
    cr_expect_str_eq(str_text(&r->response.body),
                     "{\"detail\":\"VERSION_MISMATCH: prod/a is at \\\"7\\\"\","
                     "\"reason\":\"VERSION_MISMATCH\",\"current_version\":7,"
                     "\"current_revision\":18446744073709551615,"
                     "\"current_epoch\":\"0123456789abcdef\"}");
    request_fini(r);
}

Test(render, an_error_without_a_reason_has_its_code)
{
    struct config_request c = {.upstream.base.route = find_route("GET", "/api/configs/*")};
    struct request *r = &c.upstream.base;
    struct status st;
    status_set(&st, STATUS_INTERNAL, "", "why");
    errors_answer(r, &st);
    cr_expect_str_eq(str_text(&r->response.body), "{\"detail\":\"why\",\"reason\":\"INTERNAL\"}");
    request_fini(r);
}
