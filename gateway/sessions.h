/* Signing in: who the caller is, and the cookie by which a browser proves it.
 *
 * The cookie holds the token itself, so no gateway has to know of sessions. Pages cannot read it
 * (HttpOnly), browsers send it over TLS only (Secure) and never for pages of other sites
 * (SameSite=Strict); identify.h says what else a request with it needs. */
#ifndef GATEWAY_SESSIONS_H
#define GATEWAY_SESSIONS_H

#include "request.h"

void handle_session(struct request *r);
void handle_sign_in(struct request *r);
void handle_sign_out(struct request *r);

#endif
