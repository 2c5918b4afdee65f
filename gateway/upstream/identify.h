/* Finds out whose a request is, by its headers and its client's certificate, before its body is
 * read.
 *
 * - `Authorization` counts first (on doors also other headers: credential.h), then the cookie of a
 * session, then the certificate.
 * - A browser sends a cookie whatever page has made the request. So a request that may write and
 *   proves itself by the cookie needs `X-Confreg-Csrf: 1`, which no foreign page can send without
 *   being asked, and has to come from a page of this origin.
 * - Nothing in the target of a request is a credential. */
#ifndef GATEWAY_IDENTIFY_H
#define GATEWAY_IDENTIFY_H

#include "request.h"

#define SESSION_COOKIE "confreg_session"

/* A longer credential is refused. It would not fit into the headers of a call, and the server
 * answers such a call by ending the connection, with the calls of all others. */
#define CREDENTIAL_MAX_BYTES ((size_t)12 << 10)

/* front_settings.identify: sets r->identity. False: the request is answered. */
bool identify_request(struct request *r);
/* front_settings.forget. */
void identify_forget(struct request *r);

/* Whether the rights of the request's caller are known well enough for the mirror. False: the
 * request is suspended until the server has told them, and goes on with next, or is answered. It
 * must begin with struct upstream_request. */
bool identify_ensure(struct request *r, void (*next)(struct request *r));

#endif
