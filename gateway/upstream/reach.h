/* Whether the server can be reached: noticed by calls and by the mirror, and logged once when it
 * goes (server_away) and once when it is back (server_back). Not while the gateway stops. HTTP
 * thread. */
#ifndef GATEWAY_REACH_H
#define GATEWAY_REACH_H

struct upstream;

void reach_is_there(struct upstream *upstream);
/* why is for the log. */
void reach_is_away(struct upstream *upstream, const char *why);

#endif
