/* One HTTP request, from its first line to its answer. HTTP thread only.
 *
 * http.c fills it and sends what the handler left in `response`. A handler either answers, or
 * starts a call (calls.h) whose continuation answers or starts another. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "body.h"
#include "calls.h"
#include "etag.h"
#include "gateway.h"
#include "query.h"
#include "target.h"

struct route;

#define RESPONSE_HEADERS 4

struct response {
    unsigned status;          /* 0: there is no answer yet */
    struct str body;          /* may be empty */
    const char *content_type; /* a literal; NULL: JSON */
    struct response_header {
        const char *name; /* a literal */
        char *value;      /* owned */
    } headers[RESPONSE_HEADERS];
    size_t n_headers;
};

struct request {
    struct gateway *gateway; /* borrowed */
    const char *method;      /* borrowed, like the next three, for as long as the request lives */
    const char *content_type, *if_match, *if_none_match; /* NULL: not given */
    struct target target;
    struct str body_text;

    /* Filled on the way to the handler: what the route takes, and nothing that is malformed. */
    const struct route *route;
    const struct str *service; /* in target; NULL where the route names none */
    struct parameters parameters;
    struct body body;
    struct if_match expected;

    struct call call;
    uint64_t left; /* history: documents that may still follow */
    bool counted;  /* history: whether left has been worked out */
    struct response response;
};

/* Takes the target over from raw. */
void request_init(struct request *r, struct gateway *gateway, const char *raw_target);
void request_fini(struct request *r);

/* Answers with what is in response.body. */
void request_answer(struct request *r, unsigned status);
/* Answers {"detail": "…"}, whatever response.body held. */
void request_refuse(struct request *r, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers 422. */
void request_refuse_invalid(struct request *r, const struct invalid *invalid);
/* name is a literal; at most RESPONSE_HEADERS of them. */
void request_add_header(struct request *r, const char *name, const char *value);

#endif
