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

bool upstream_connect(struct upstream *upstream, const char *server,
                      const struct tls_client_settings *tls, const char *token_file,
                      const struct mirror_options *options, struct status *st)
{
    upstream->has_credentials = token_file != NULL || (tls != NULL && tls->cert != NULL);
    const struct registry_client_options client = {
        .addresses = &server, .n_addresses = 1, .tls = tls, .token_file = token_file};
    if (!registry_client_new(&client, &upstream->client, st)) {
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
