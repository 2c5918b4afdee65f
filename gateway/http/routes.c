#include "routes.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "prefer.h"
#include "utf8.h"

static bool is_segment(const struct str *segment, const char *text, size_t n)
{
    return segment->len == n && memcmp(str_text(segment), text, n) == 0;
}

/* The segments of a target that a path leaves open. */
struct open_segments {
    const struct str *service; /* NULL: there is none */
    const struct str *names[ROUTE_NAMES];
    size_t n_names;
};

/* Takes the segment at an open part of a path, which begins with a sign. */
static void take_segment(char sign, const struct str *segment, struct open_segments *open)
{
    if (sign == '*') {
        open->service = segment;
    } else {
        assert(open->n_names < ROUTE_NAMES);
        open->names[open->n_names++] = segment;
    }
}

static bool path_matches(const char *path, const struct target *target,
                         struct open_segments *ret_open)
{
    size_t i = 0;
    *ret_open = (struct open_segments){0};
    for (; *path == '/' && i < target->n_segments; i++) {
        size_t n = strcspn(path + 1, "/");
        const struct str *segment = &target->segments[i];
        if (path[1] == '*' || path[1] == '{') {
            if (segment->len == 0) {
                return false;
            }
            take_segment(path[1], segment, ret_open);
        } else if (!is_segment(segment, path + 1, n)) {
            return false;
        }
        path += 1 + n;
    }
    return *path == '\0' && i == target->n_segments;
}

bool routes_has(const struct routes *routes, const struct route *route)
{
    unsigned door = route->kind->door;
    return door == 0 || (routes->doors & door) != 0;
}

static bool route_matches(const struct routes *routes, const struct route *route,
                          const struct target *target, struct open_segments *ret_open)
{
    unsigned last = target->n_segments == 0 ? 0 : 1u << (target->n_segments - 1);
    unsigned allowed = route->kind->takes_slash ? last : 0;
    return routes_has(routes, route) && (target->slashes & ~allowed) == 0 &&
           path_matches(route->path, target, ret_open);
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

static void add_method(struct str *allowed, const char *method)
{
    str_add_text(allowed, allowed->len == 0 ? "" : ", ");
    str_add_text(allowed, method);
    if (strcmp(method, "GET") == 0) {
        str_add_text(allowed, ", HEAD");
    }
}

static void refuse_method(struct request *r, const char *allowed)
{
    request_add_header(r, "Allow", allowed);
    request_refuse(r, 405, "METHOD_UNKNOWN", "Method Not Allowed");
}

void routes_methods(const struct routes *routes, const struct target *target, struct str *ret)
{
    for (size_t i = 0; i < routes->n && target->sound; i++) {
        struct open_segments open;
        if (route_matches(routes, &routes->rows[i], target, &open)) {
            add_method(ret, routes->rows[i].method);
        }
    }
}

bool routes_find(const struct routes *routes, struct request *r)
{
    for (size_t i = 0; i < routes->n && r->target.sound; i++) {
        const struct route *route = &routes->rows[i];
        struct open_segments open;
        if (!route_matches(routes, route, &r->target, &open)) {
            continue;
        }
        if (method_matches(route, r->method) && !r->target.slash_at_end) {
            r->route = route;
            r->service = open.service;
            memcpy(r->names, open.names, sizeof r->names);
            return true;
        }
    }
    AUTO_STR allowed = {0};
    routes_methods(routes, &r->target, &allowed);
    if (allowed.len == 0) {
        request_refuse(r, 404, "ROUTE_UNKNOWN", "Not Found");
    } else if (r->target.slash_at_end) {
        send_on(r);
    } else {
        refuse_method(r, allowed.data);
    }
    return false;
}

size_t routes_request_size(const struct routes *routes)
{
    size_t largest = sizeof(struct request);
    for (size_t i = 0; i < routes->n; i++) {
        size_t size = routes->rows[i].kind->size;
        largest = size > largest ? size : largest;
    }
    return largest;
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

static void refuse_encoding(struct request *r)
{
    request_add_header(r, "Accept-Encoding", "identity");
    request_refuse(r, 415, "CONTENT_ENCODING",
                   "Unsupported Media Type: a body has no Content-Encoding here");
}

static void refuse_patch(struct request *r)
{
    request_add_header(r, "Accept-Patch",
                       "application/merge-patch+json, application/json-patch+json, "
                       "application/json");
    request_refuse(r, 415, "MEDIA_TYPE",
                   "Unsupported Media Type: a patch is application/merge-patch+json (RFC 7396) or "
                   "application/json-patch+json (RFC 6902)");
}

/* A page can have a browser send a POST without a Content-Type, or with that of a form or of text,
 * without a preflight. Other methods and the types of JSON take one. */
static bool is_forged(const struct request *r)
{
    const char *type = r->headers.content_type;
    return r->is_foreign && strcmp(r->method, "POST") == 0 &&
           (type == NULL || !content_type_is_json(type));
}

/* Prefer: handling=strict (RFC 7240). */
static bool prefers_strict(const struct request *r)
{
    AUTO_STR handling = {0};
    return r->headers.prefer != NULL && prefer_find(r->headers.prefer, "handling", &handling) &&
           strcasecmp(str_text(&handling), "strict") == 0;
}

/* Everything that the request gives, in the order in which faults are reported. */
static void parse(struct request *r, struct invalid *invalid)
{
    const struct route *route = r->route;
    const struct target *target = &r->target;
    unsigned wanted = route->parameters;
    if (wanted != 0 && prefers_strict(r)) { /* probes take whatever monitoring sends them */
        wanted |= PARAMETERS_STRICT;
        request_add_header(r, "Preference-Applied", "handling=strict");
    }
    if (r->service != NULL) {
        check_service(r, invalid);
    }
    parameters_parse(target->query, target->n_query, wanted, &r->parameters, invalid);
    if (route->body != BODY_NONE) {
        body_parse(route->body, (wanted & PARAMETERS_STRICT) != 0, &r->body_text,
                   r->headers.content_type, &r->body, invalid);
    }
    if (route->kind->parse != NULL) {
        route->kind->parse(r, invalid);
    }
}

/* Adds X-Config-Ignored where something was ignored. */
static void name_ignored(struct request *r)
{
    struct str *names = &r->parameters.ignored;
    if (names->len > 0 && r->body.ignored.len > 0) {
        str_add_text(names, ", ");
    }
    str_add(names, str_text(&r->body.ignored), r->body.ignored.len);
    if (names->len > 0 && r->route->parameters != 0) {
        request_add_header(r, "X-Config-Ignored", str_text(names));
    }
}

void routes_run(struct request *r)
{
    if (is_forged(r)) {
        request_refuse(r, 403, "ORIGIN_NOT_ALLOWED",
                       "A POST without a Content-Type of JSON is not taken from a page of %s",
                       r->headers.origin);
        return;
    }
    if (reads_body(r->route) && !content_encoding_is_plain(r->headers.content_encoding)) {
        refuse_encoding(r);
        return;
    }
    if (r->route->body == BODY_PATCH &&
        content_type_patch_kind(r->headers.content_type) == PATCH_UNKNOWN) {
        refuse_patch(r);
        return;
    }
    struct invalid invalid = {0};
    parse(r, &invalid);
    if (invalid.n > 0) {
        request_refuse_invalid(r, &invalid);
    } else {
        name_ignored(r);
        r->route->handler(r);
    }
    invalid_fini(&invalid);
}
