#include "upstream.h"

#include "calls.h"
#include "identities.h"
#include "waits.h"

struct upstream *upstream_new(int64_t timeout_ms)
{
    struct upstream *upstream = mem_zalloc(sizeof *upstream);
    upstream->calls = calls_new();
    upstream->waits = waits_new();
    upstream->identities = identities_new(upstream);
    upstream->timeout_ms = timeout_ms;
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream != NULL) {
        waits_free(upstream->waits);
        identities_free(upstream->identities);
        calls_free(upstream->calls);
        free(upstream);
    }
}

bool upstream_connect(struct upstream *upstream, const struct registry_client_options *client,
                      const struct mirror_options *options, struct status *st)
{
    const struct tls_client_settings *tls = client->tls;
    upstream->has_credentials = client->token_file != NULL || (tls != NULL && tls->cert != NULL);
    if (!registry_client_new(client, &upstream->client, st)) {
        return false;
    }
    upstream->mirror = mirror_new(upstream->client, options);
    return true;
}

void upstream_disconnect(struct upstream *upstream)
{
    mirror_free(MOVE(upstream->mirror));
    registry_client_free(MOVE(upstream->client));
}
