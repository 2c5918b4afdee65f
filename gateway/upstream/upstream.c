#include "upstream.h"

#include "calls.h"
#include "waits.h"

struct upstream *upstream_new(int64_t timeout_ms)
{
    struct upstream *upstream = mem_zalloc(sizeof *upstream);
    upstream->calls = calls_new();
    upstream->waits = waits_new();
    upstream->timeout_ms = timeout_ms;
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream != NULL) {
        waits_free(upstream->waits);
        calls_free(upstream->calls);
        free(upstream);
    }
}

bool upstream_connect(struct upstream *upstream, const char *server,
                      const struct tls_client_settings *tls, const struct mirror_options *options,
                      struct status *st)
{
    if (!registry_client_new(server, tls, &upstream->client, st)) {
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
