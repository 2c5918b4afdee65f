/* The members of a line about a call. Texts come from clients: each is cut to a bound and encoded.
 *
 * Pure; any thread. */
#ifndef AUDIT_CALL_LINE_H
#define AUDIT_CALL_LINE_H

#include "status.h"
#include "str.h"

/* The names of configs in a line take about this much at most; more are counted. */
#define CALL_NAMES_BYTES 2048

/* Names of configs, as "ENVIRONMENT/SERVICE". Zeroed: none. */
struct call_names {
    struct str list; /* "\"prod/billing\",\"prod/mail\""; owned */
    size_t n_more;   /* that did not fit */
};
void call_names_add(struct call_names *names, const char *environment, const char *service);
void call_names_fini(struct call_names *names);

/* A call that has ended. All borrowed; NULL and "" are left out. */
struct call_line {
    const char *principal, *credential; /* of the caller */
    const char *peer;
    const char *service, *method; /* of gRPC; HTTP: NULL and "GET" */
    const char *path;             /* of HTTP, without its query */
    unsigned status;              /* of HTTP; 0: the client had gone */
    enum status_code code;        /* of gRPC */
    const char *reason;
    const char *request_id;
    const char *trace; /* the request's traceparent (traceparent.h) */
    const struct call_names *names;
    int64_t duration_ns;
    uint64_t request_bytes, response_bytes;
};

/* Appends members: when (now), who, what and with which outcome. */
void call_line_add(struct str *out, const char *what, const struct call_line *line);
/* Appends the members of the access log, which has one more: sizes and duration. */
void call_line_add_access(struct str *out, const struct call_line *line);

#endif
