#include "routes.h"

#include <string.h>

#include "handlers.h"
#include "utf8.h"

#define NAMED PARAMETER_ENVIRONMENT

static const struct route routes[] = {
    {"GET", "/api/configs", handle_list,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | HEEDS_FRESHNESS, BODY_NONE},
    {"GET", "/api/configs:batchGet", handle_batch, HEEDS_FRESHNESS, BODY_NONE},
    {"POST", "/api/configs:batchGet", handle_batch, PARAMETERS_STRICT | HEEDS_FRESHNESS,
     BODY_NAMES},
    {"GET", "/api/configs/*", handle_get,
     NAMED | PARAMETER_VERSION | PARAMETER_RESOLVE | HEEDS_FRESHNESS, BODY_NONE},
    {"POST", "/api/configs/*", handle_create, NAMED, BODY_CONFIG},
    {"PUT", "/api/configs/*", handle_update, NAMED, BODY_CONFIG},
    {"PATCH", "/api/configs/*", handle_patch,
     NAMED | PARAMETER_COMMENT | PARAMETER_CREATED_BY | PARAMETERS_STRICT, BODY_PATCH},
    /* Strict, unlike the other old routes: a delete by a mistyped request cannot be undone. */
    {"DELETE", "/api/configs/*", handle_delete, NAMED | PARAMETER_VERSION | PARAMETERS_STRICT,
     BODY_EMPTY},
    {"GET", "/api/configs/*/history", handle_history, NAMED | PARAMETER_LIMIT | HEEDS_FRESHNESS,
     BODY_NONE},
    {"GET", "/api/configs/*/diff", handle_diff,
     NAMED | PARAMETER_OLD_VERSION | PARAMETER_NEW_VERSION | HEEDS_FRESHNESS, BODY_NONE},
    {"POST", "/api/configs/*/rollback", handle_rollback, NAMED | PARAMETERS_STRICT, BODY_ROLLBACK},
    {"GET", "/api/watch", handle_watch,
     PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER | PARAMETER_PREFIX_FILTER |
         PARAMETER_SNAPSHOT,
     BODY_NONE},
    {"GET", "/health", handle_health, 0, BODY_NONE},
    {"GET", "/stats", handle_stats, 0, BODY_NONE},
    {"GET", "/livez", handle_livez, 0, BODY_NONE},
    {"GET", "/readyz", handle_readyz, 0, BODY_NONE},
    {"GET", "/metrics", handle_metrics, 0, BODY_NONE},
    {"GET", "/openapi.json", handle_openapi, 0, BODY_NONE},
};

const struct route *routes_at(size_t index)
{
    return index < COUNT_OF(routes) ? &routes[index] : NULL;
}

static bool is_segment(const struct str *segment, const char *text, size_t n)
{
    return segment->len == n && memcmp(str_text(segment), text, n) == 0;
}

/* *ret_service gets the segment at "*". */
static bool path_matches(const char *path, const struct target *target,
                         const struct str **ret_service)
{
    size_t i = 0;
    for (; *path == '/' && i < target->n_segments; i++) {
        size_t n = strcspn(path + 1, "/");
        const struct str *segment = &target->segments[i];
        if (path[1] == '*') {
            if (segment->len == 0) {
                return false;
            }
            *ret_service = segment;
        } else if (!is_segment(segment, path + 1, n)) {
            return false;
        }
        path += 1 + n;
    }
    return *path == '\0' && i == target->n_segments;
}

static bool method_matches(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void send_on(struct request *r)
{
    AUTO_STR location = {0};
    target_without_slash(&r->target, &location);
    request_add_header(r, "Location", location.data);
    request_answer(r, 307);
}

static void refuse_method(struct request *r, const char *allowed)
{
    request_add_header(r, "Allow", allowed);
    request_refuse(r, 405, "Method Not Allowed");
}

bool routes_find(struct request *r)
{
    AUTO_STR allowed = {0};
    for (size_t i = 0; i < COUNT_OF(routes) && r->target.sound; i++) {
        const struct str *service = NULL;
        if (!path_matches(routes[i].path, &r->target, &service)) {
            continue;
        }
        if (method_matches(&routes[i], r->method) && !r->target.slash_at_end) {
            r->route = &routes[i];
            r->service = service;
            return true;
        }
        str_add_text(&allowed, allowed.len == 0 ? "" : ", ");
        str_add_text(&allowed, routes[i].method);
    }
    if (allowed.len == 0) {
        request_refuse(r, 404, "Not Found");
    } else if (r->target.slash_at_end) {
        send_on(r);
    } else {
        refuse_method(r, allowed.data);
    }
    return false;
}

static void check_service(struct request *r, struct invalid *invalid)
{
    struct status st;
    if (!name_check(str_text(r->service), r->service->len, "service_name", &st)) {
        invalid_add_status(invalid, "path", "service_name", &st);
    }
}

static bool reads_body(const struct route *route)
{
    return route->body != BODY_NONE && route->body != BODY_EMPTY;
}

static bool is_write(const struct route *route)
{
    return strcmp(route->method, "GET") != 0 && route->body != BODY_NAMES;
}

static void refuse_encoding(struct request *r)
{
    request_add_header(r, "Accept-Encoding", "identity");
    request_refuse(r, 415, "Unsupported Media Type: a body has no Content-Encoding here");
}

void routes_run(struct request *r)
{
    if (reads_body(r->route) && !content_encoding_is_plain(r->headers.content_encoding)) {
        refuse_encoding(r);
        return;
    }
    struct invalid invalid = {0};
    const struct target *target = &r->target;
    if (r->service != NULL) {
        check_service(r, &invalid);
    }
    parameters_parse(target->query, target->n_query, r->route->parameters, &r->parameters,
                     &invalid);
    if (r->route->body != BODY_NONE) {
        body_parse(r->route->body, str_text(&r->body_text), r->body_text.len,
                   r->headers.content_type, &r->body, &invalid);
    }
    if (is_write(r->route)) {
        conditions_parse(r->headers.if_match, r->headers.if_none_match, &r->conditions, &invalid);
    }
    if ((r->route->parameters & HEEDS_FRESHNESS) != 0) {
        freshness_parse(r->headers.cache_control, r->headers.prefer, r->headers.minimum,
                        &r->freshness, &invalid);
    }
    if (invalid.n > 0) {
        request_refuse_invalid(r, &invalid);
    } else {
        r->route->handler(r);
    }
    invalid_fini(&invalid);
}
