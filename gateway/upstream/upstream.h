/* The registry server as the gateway uses it: a client for calls, and a mirror of all configs for
 * reads. HTTP thread only, except client, mirror, is_away and gauges. */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include <stdatomic.h>

#include "handed_out.h"
#include "mirror.h"
#include "registry_client.h"

struct calls;
struct identities;
struct waits;

/* How the mirror stood when it last moved, for threads other than the HTTP thread. */
struct mirror_gauges {
    atomic_bool in_step;
    atomic_uint_fast64_t revision, n_configs;
    atomic_int_fast64_t in_step_ns; /* when it was in step last, on the monotonic clock */
};

struct upstream {
    struct registry_client *client; /* owned; NULL once the gateway stops: calls end at once then */
    struct mirror *mirror;          /* owned; NULL when client is */
    struct calls *calls;            /* owned, like the next one */
    struct waits *waits;
    struct identities *identities;
    struct handed_out handed;
    int64_t timeout_ms;   /* of a call */
    bool stopping;        /* no long waits */
    bool has_credentials; /* the gateway has a token or a certificate of its own */
    bool needs_rights;    /* nobody is served while confregd has no rights in force */
    atomic_bool is_away;  /* reach.h */
    struct mirror_gauges gauges;
};

struct upstream *upstream_new(int64_t timeout_ms);
/* After upstream_disconnect. NULL is ignored. */
void upstream_free(struct upstream *upstream);

/* Makes the client and starts the mirror. Fails as registry_client_new does; never because the
 * server is away. */
bool upstream_connect(struct upstream *upstream, const struct registry_client_options *client,
                      const struct mirror_options *options, struct status *st);
/* Ends mirror and client; all calls that are open end. May be called again. */
void upstream_disconnect(struct upstream *upstream);

#endif
