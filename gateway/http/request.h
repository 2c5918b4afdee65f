/* One HTTP request, from its first line to its answer. HTTP thread only.
 *
 * http.c fills it and sends what the handler left in `response`. A handler either answers, or
 * starts a call (calls.h) whose continuation answers or starts another. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "body.h"
#include "calls.h"
#include "conditions.h"
#include "etag.h"
#include "freshness.h"
#include "gateway.h"
#include "query.h"
#include "streams.h"
#include "target.h"
#include "waits.h"

struct route;

#define RESPONSE_HEADERS 8

/* A body that is produced while it is sent, with chunked coding. */
struct response_pull {
    /* As http_handlers.read. HTTP_READ_PENDING: a call or wait of the request is open, after which
     * it is called again. */
    ssize_t (*read)(void *user, char *bytes, size_t max);
    void (*free)(void *user); /* called when the request ends; NULL: user is borrowed */
    void *user;
};

struct response {
    unsigned status;          /* 0: there is no answer yet */
    struct str body;          /* may be empty */
    const char *content_type; /* a literal; NULL: JSON */
    struct response_header {
        const char *name; /* a literal */
        char *value;      /* owned */
    } headers[RESPONSE_HEADERS];
    size_t n_headers;
    /* Instead of body and headers: the cached answer of a config of the mirror. */
    struct http_prepared *prepared; /* borrowed from config */
    struct mirror_config *config;   /* a reference, held until the answer was sent */
    struct stream *stream;          /* or instead of the body: owned */
    struct response_pull pull;      /* or instead of the body: if it has a `read` */
};

/* NULL: not given. Those that may come in several lines are joined by commas. */
struct request_headers {
    const char *content_type, *content_encoding;
    const char *if_match, *if_none_match;
    const char *cache_control, *prefer, *minimum;
    const char *last_event_id;
};

struct request {
    struct gateway *gateway; /* borrowed */
    const char *method;      /* borrowed, like the headers, for as long as the request lives */
    struct request_headers headers;
    struct target target;
    struct str body_text;

    /* Filled on the way to the handler: what the route takes, and nothing that is malformed. */
    const struct route *route;
    const struct str *service; /* in target; NULL where the route names none */
    struct parameters parameters;
    struct body body;
    struct conditions conditions; /* of a write */
    struct freshness freshness;

    struct call call;
    struct wait wait;
    bool waits_for_stream;     /* response.stream is pending */
    int64_t poll_until_ns;     /* of a long poll; 0: it has not begun */
    struct handed_out written; /* what a write that waits will hand out */
    struct response response;
};

/* Whether its answer is still to come from elsewhere. */
static inline bool request_is_open(const struct request *r)
{
    return r->call.open || r->wait.open || r->waits_for_stream;
}

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
