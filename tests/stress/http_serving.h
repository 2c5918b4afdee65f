/* The server of the stress program of http/: one thread that serves, one that answers later.
 *
 * GET /now is answered at once, GET /later by the other thread; POST /echo with the body, of which
 * each part is kept; GET /count?FROM is pulled: the lines FROM, FROM + 1 … COUNT_LINES - 1, each of
 * which the other thread hands out. */
#ifndef STRESS_HTTP_SERVING_H
#define STRESS_HTTP_SERVING_H

#include <stdint.h>

#define COUNT_LINES 200

struct serving;

struct serving *serving_start(void);
int serving_port(const struct serving *serving);
/* Stops while clients are connected, and checks that every request that began has ended. Returns
 * their number. */
uint64_t serving_stop(struct serving *serving);

#endif
