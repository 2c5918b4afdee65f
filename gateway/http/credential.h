/* The credential of a request in the form that the server takes: the value of a header
 * Authorization. Clients of doors have other forms of the same token (request.h):
 *
 * - Basic (RFC 7617): the password is the token, the name is not looked at. DOOR_SPRING.
 * - X-Config-Token: TOKEN. DOOR_SPRING.
 * - X-API-Key: TOKEN. DOOR_OFREP.
 *
 * Authorization counts first. HTTP thread. */
#ifndef GATEWAY_CREDENTIAL_H
#define GATEWAY_CREDENTIAL_H

#include "request.h"

/* Appends it; nothing where the request has none. What is no token stays as it came: the server
 * refuses it. AUTO_SECRET is the place for it. */
void credential_add(const struct request *r, struct str *authorization);

#endif
