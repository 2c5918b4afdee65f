/* Whether the server can be reached. Calls and the mirror report it; a change is logged once, as
 * server_away or server_back, but not while the gateway stops. HTTP thread. */
#ifndef GATEWAY_REACH_H
#define GATEWAY_REACH_H

struct upstream;

void reach_is_there(struct upstream *upstream);
/* why is for the log. */
void reach_is_away(struct upstream *upstream, const char *why);

#endif
