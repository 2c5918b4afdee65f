/* A listening socket, for HTTP. */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include "status.h"

struct listener {
    int fd;
    char address[320]; /* for people: with the port that was given for port 0 */
    char *unix_path;   /* owned; NULL for TCP */
};

/* Binds "HOST:PORT", "[IPV6]:PORT", "unix:PATH" or "unix:PATH?mode=0660" (unix_address.h) and
 * listens, without blocking. A socket file that nobody listens on is taken over. INVALID_ARGUMENT:
 * not an address; UNAVAILABLE: it cannot be bound. */
bool listener_open(const char *address, struct listener *ret_listener, struct status *st);
/* Closes the socket and removes the socket file. Once. */
void listener_close(struct listener *listener);

#endif
