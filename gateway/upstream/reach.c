#include "reach.h"

#include "gateway.h"
#include "log.h"

void reach_is_there(struct gateway *gateway)
{
    if (gateway->client != NULL && atomic_exchange(&gateway->server_away, false)) {
        log_event(LOG_INFO, "server_back", NULL);
    }
}

void reach_is_away(struct gateway *gateway, const char *why)
{
    if (gateway->client != NULL && !atomic_exchange(&gateway->server_away, true)) {
        log_event(LOG_WARNING, "server_away", "message", why, NULL);
    }
}
