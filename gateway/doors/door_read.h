/* Reads the configs that a door shows, under the caller's rights: from the mirror if it is new
 * enough and the caller may read them all, else from the server. HTTP thread. */
#ifndef GATEWAY_DOOR_READ_H
#define GATEWAY_DOOR_READ_H

#include "door_request.h"

/* Reads the service's heads in the request's `environments`, and goes on with show, now or when the
 * server has answered. The request is refused (403) unless its caller may read each of them,
 * whether they exist or not. The caller's rights must have been ensured (identify.h). */
void door_read(struct request *r, door_show *show);

#endif
