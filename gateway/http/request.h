/* One HTTP request, from its head to the end of its answer. HTTP thread only.
 *
 * front.c makes a request of each exchange of the HTTP server and sends what the handler left in
 * `response`. A handler answers at once, or suspends the request: a layer above starts something
 * (a call, a wait) and continues the request later.
 *
 * A layer that needs more than is here defines a larger struct that begins with struct request,
 * and a struct request_kind, which its routes name. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include <sys/types.h>

#include "body.h"
#include "gateway.h"
#include "heap.h"
#include "parties.h"
#include "query.h"
#include "target.h"
#include "traceparent.h"

struct call_names;
struct front;
struct identity;
struct packing;
struct http_exchange;
struct http_prepared;
struct request;
struct route;

#define RESPONSE_HEADERS 16
#define ROUTE_NAMES 2

/* A body that is produced while it is sent, with chunked coding. */
struct response_pull {
    /* As http_handlers.read. HTTP_READ_PENDING: the request is suspended, or resumed by a call of
     * front_resume later. */
    ssize_t (*read)(void *user, char *bytes, size_t max);
    void (*free)(void *user); /* called when the request ends; NULL: user is borrowed */
    void *user;
    size_t n_held; /* bytes that it holds for what is still to be read; set by read */
};

struct response {
    unsigned status;                                 /* 0: there is no answer yet */
    struct str body;                                 /* may be empty */
    const char *content_type;                        /* a literal; NULL: JSON */
    char reason[sizeof((struct status *)0)->reason]; /* of an error; "": none */
    struct response_header {
        const char *name; /* a literal */
        char *value;      /* owned */
    } headers[RESPONSE_HEADERS];
    size_t n_headers;
    /* Instead of body and headers; borrowed until the request ends. */
    const struct http_prepared *prepared;
    struct response_pull pull; /* instead of the body: if it has a `read` */
    bool keeps_form;           /* not to be compressed: it is, or shall be plain */
};

/* NULL: not given. Those that may come in several lines are joined by commas. */
struct request_headers {
    const char *accept, *accept_encoding, *content_type, *content_encoding;
    const char *if_match, *if_none_match;
    const char *cache_control, *prefer, *minimum;
    const char *last_event_id, *idempotency_key;
    const char *origin, *preflight_method; /* of browsers, for a page of another origin */
    const char *authorization, *cookie;    /* credentials */
    const char *config_token, *api_key;    /* likewise, of doors (credential.h) */
    const char *traceparent;
    const char *host, *fetch_site, *csrf; /* for a request that proves itself by a cookie */
};
#define REQUEST_HEADERS (sizeof(struct request_headers) / sizeof(const char *))

/* Interfaces in the words of another ecosystem, each with routes of its own. */
enum door {
    DOOR_OFREP = 1 << 0,  /* OpenFeature's remote evaluation protocol */
    DOOR_SPRING = 1 << 1, /* Spring Cloud Config's server */
};
#define DOORS_ALL (DOOR_OFREP | DOOR_SPRING)

/* The extension of a request by a higher layer, for the requests of its routes. */
struct request_kind {
    size_t size; /* of the struct that begins with struct request; zeroed at the start */
    /* Reads the headers that are this kind's, and adds their faults. NULL: there are none. */
    void (*parse)(struct request *r, struct invalid *invalid);
    void (*fini)(struct request *r); /* NULL: nothing to free */
    unsigned door;                   /* DOOR_…; 0: the API, which is always there */
    /* Adds the configs that the request is about, for the logs. NULL: the parameters tell. */
    void (*name_configs)(struct request *r, struct call_names *names);
    bool is_open;            /* to everybody: front_settings.identify passes it */
    bool writes;             /* a request that ends without an answer may have written */
    bool takes_slash;        /* the last "{NAME}" of its paths may have an encoded slash */
    bool has_forms;          /* its answers may be compressed (packer.h) */
    unsigned invalid_status; /* of a request with faults; 0: 422 */
    /* Appends members, each behind a comma, that an error has beside those of problem.h. detail:
     * what it says. NULL: there are none. */
    void (*describe_error)(struct request *r, const char *detail, struct str *members);
};
/* struct request itself; of a route that is open to everybody. */
extern const struct request_kind request_open;
/* The same, whose answers may be compressed. */
extern const struct request_kind request_document;

/* The wait of a suspended request. */
struct suspension {
    /* The client has disconnected: ends the wait and returns true. NULL: the wait cannot be ended,
     * so the request lives until it has been resumed. */
    void (*cancel)(struct request *r);
};

struct request {
    struct gateway *gateway; /* borrowed */
    const char *method;      /* borrowed, like the headers, for as long as the request lives */
    struct request_headers headers;
    char trace[TRACEPARENT_SIZE]; /* its traceparent; "": it has none */
    const char *peer;             /* the client's address (peer_address.h) */
    struct party *party;          /* of this address; held; NULL: it has no limits */
    unsigned used;                /* of it: a bit each of enum limit_gauge */
    int64_t hold_ns;              /* for how long its answer is to be held back */
    const char *certificate;      /* the name that its certificate proves; NULL: none */
    bool is_secure;               /* it came over TLS */
    bool is_foreign; /* a page of an origin that is not allowed may have sent it (cors.h) */
    struct target target;
    struct str body_text;

    /* Set by front_settings.identify. */
    struct identity *identity; /* a reference; NULL: the request is on nobody's behalf */
    bool is_private;           /* the answer is for this caller only */

    /* Filled on the way to the handler: what the route takes, and nothing that is malformed. */
    const struct route *route;
    const struct str *service;            /* in target; NULL where the route names none */
    const struct str *names[ROUTE_NAMES]; /* likewise: at the "{NAME}"s of the route's path */
    struct parameters parameters;
    struct body body;

    const struct suspension *suspended; /* NULL: it is not */
    bool lasts;                         /* a long wait or a stream: see http_exchange.lasts */
    struct response response;

    /* For front.c. */
    struct front *front;
    struct http_exchange *x;
    struct packing *packing;       /* owned; NULL: the answer is not compressed while it is sent */
    bool is_counted;               /* in the front's number of suspended requests */
    struct heap_node held;         /* while its answer is held back, by the end of that */
    char *joined[REQUEST_HEADERS]; /* owned: values that came in several lines */
    uint64_t n_body;               /* bytes of the body read so far */
    uint64_t n_sent;               /* bytes of the answer's body, as far as it was made */
    int64_t begun_ns;
};

/* Takes the target over from raw. r is zeroed. */
void request_init(struct request *r, struct gateway *gateway, const char *raw_target);
void request_fini(struct request *r);

/* Answers with what is in response.body. */
void request_answer(struct request *r, unsigned status);
/* Answers with an error (problem.h), whatever response.body held. format: of its detail. */
void request_refuse(struct request *r, unsigned status, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with what st tells programs. */
void request_refuse_status(struct request *r, unsigned status, const struct status *st,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Answers 422, or the kind's invalid_status. */
void request_refuse_invalid(struct request *r, struct invalid *invalid);
/* Counts the request as a use of this by its address, until the next function or the end of the
 * request. False: the address uses too much, and the request is answered (429). */
bool request_use(struct request *r, enum limit_gauge gauge);
void request_unuse(struct request *r, enum limit_gauge gauge);
/* Counts a wrong credential of its address, and has the answer held back where there are many
 * (limits/parties.h). *st, for which it is refused, may become LIMIT_EXCEEDED. */
void request_fail(struct request *r, struct status *st);
/* Counts the request as one that lasts from now on, beside those that are answered soon. False:
 * its address has too many of these, and the request is answered. */
bool request_will_last(struct request *r);
/* Adds Retry-After, in whole seconds, where st says when to try again. */
void request_add_retry(struct request *r, const struct status *st);
/* name is a literal; at most RESPONSE_HEADERS of them. */
void request_add_header(struct request *r, const char *name, const char *value);

/* Adds the header Link (RFC 8288) to the next page of what the answer is a page of: the request's
 * own target with page=token. */
void request_add_next_page(struct request *r, const char *token);

/* The request has no answer yet, or no further bytes of it, until request_resumed. */
void request_suspend(struct request *r, const struct suspension *suspension);
/* The wait is over: the continuation may answer the request or suspend it again. */
void request_resumed(struct request *r);

/* Goes on with a request that is not suspended any more, as front_resume does. The caller must not
 * use it afterwards. */
typedef void request_resume(void *user, struct request *r);

#endif
