/* A listener of plain HTTP that sends every client to the same URL over TLS: 308, which keeps the
 * method and the body. It has a thread of its own. */
#ifndef GATEWAY_REDIRECT_H
#define GATEWAY_REDIRECT_H

#include "status.h"
#include "str.h"

struct redirect;

/* port: that of TLS. Fails as listener_open does. */
bool redirect_start(const char *address, int port, struct redirect **ret_redirect,
                    struct status *st);
/* NULL is ignored. */
void redirect_stop(struct redirect *redirect);

#endif
