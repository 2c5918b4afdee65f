#include "reach.h"

#include "log.h"
#include "upstream.h"

void reach_is_there(struct upstream *upstream)
{
    if (upstream->client != NULL && atomic_exchange(&upstream->is_away, false)) {
        log_event(LOG_INFO, "server_back", NULL);
    }
}

void reach_is_away(struct upstream *upstream, const char *why)
{
    if (upstream->client != NULL && !atomic_exchange(&upstream->is_away, true)) {
        log_event(LOG_WARNING, "server_away", "message", why, NULL);
    }
}
