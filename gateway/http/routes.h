/* Which handler answers which method and path, and what it takes. */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include "request.h"

/* A row of the table, which is the gateway's (api.c). */
struct route {
    const char *method;
    const char *path; /* "*" is a segment that names a service; "{NAME}" is one of r->names */
    void (*handler)(struct request *r);
    unsigned parameters; /* PARAMETER_… */
    enum body_kind body;
    const struct request_kind *kind;
};

struct routes {
    const struct route *rows;
    size_t n;
    unsigned doors; /* DOOR_…, those that are open: routes of others are not there */
};

/* Whether a request can find the route. */
bool routes_has(const struct routes *routes, const struct route *route);

/* Sets route, service and names; HEAD finds the route of GET. If there is no such route, or the
 * path ends with a slash, answers with 404, 405 or 307 and returns false. */
bool routes_find(const struct routes *routes, struct request *r);

/* Appends the methods of a path, "GET, HEAD, POST"; nothing if no route has it. */
void routes_methods(const struct routes *routes, const struct target *target, struct str *ret);

/* The size of the largest kind of request. */
size_t routes_request_size(const struct routes *routes);

/* Checks everything that the route takes: 422 with all faults, or on to the handler. The whole body
 * is there. */
void routes_run(struct request *r);

#endif
