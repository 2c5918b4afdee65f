/* Sockets that listen: gRPC, HTTP and metrics have the same rules.
 *
 * - A host listens on every address that it resolves to, all with one port. [::] takes IPv4, too
 *   (dual stack); 0.0.0.0 takes IPv4 only. Addresses of a family that this machine does not use are
 *   passed over, as long as there is another one.
 * - A unix socket gets its mode (address.h) before anybody can connect. It is locked by PATH.lock
 *   for the listener's life: of two programs that start together only one takes over a socket file
 *   that was left behind. Both files are removed at the end; after a kill they stay, and the next
 *   start takes them over. A file that is no socket is left alone.
 *
 * Connections inherit nothing that a caller needs: it sets their options itself. */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include <stddef.h>

#include "status.h"

#define LISTENER_SOCKETS 8 /* of a host that resolves to more addresses the first are taken */

struct listener {
    int fds[LISTENER_SOCKETS]; /* non-blocking */
    size_t n;
    int port;          /* of TCP, also where port 0 was asked for; 0: a unix socket */
    char address[320]; /* for people: with the port that was given for port 0 */
    char *unix_path;   /* owned; NULL for TCP */
    int lock_fd;       /* of PATH.lock; -1 for TCP */
};

/* Binds an address (address.h) and listens. INVALID_ARGUMENT, reason ADDRESS_INVALID: it is none.
 * UNAVAILABLE, reason ADDRESS_IN_USE: another socket listens there; reason ADDRESS_UNUSABLE: it
 * cannot be resolved or bound. */
bool listener_open(const char *address, struct listener *ret_listener, struct status *st);
/* Closes the sockets and removes the files of a unix socket. Ignores a zeroed listener and one that
 * was closed. */
void listener_close(struct listener *listener);

#endif
