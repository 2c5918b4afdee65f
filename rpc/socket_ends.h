/* Tells the owner of an accepted socket when it is closed. The gRPC core closes sockets at any time
 * on any thread; socket_calls.c sees it. Any thread; no locks. */
#ifndef RPC_SOCKET_ENDS_H
#define RPC_SOCKET_ENDS_H

#include <stdbool.h>

#define SOCKET_ENDS_MAX (1 << 20) /* descriptors from here on cannot be followed */

typedef void socket_ended(void *user, void *what);

struct socket_end {
    socket_ended *ended; /* NULL: nobody is told */
    void *user, *what;
};

/* Has `ended` called once when fd, which is open, has been closed. A close that was not seen, as in
 * builds with ThreadSanitizer, is told when the descriptor is used again. False: fd cannot be
 * followed. */
bool socket_ends_put(int fd, const struct socket_end *end);
/* Takes what was put for fd, before it is closed; its `ended` is NULL where nothing was. */
struct socket_end socket_ends_take(int fd);
/* Tells who is named by an end that was taken, after the close. Once for each end. */
void socket_ends_tell(const struct socket_end *end);
/* Calls what was put with this user as if its sockets had been closed, and waits for other threads
 * that have taken an end and not told it yet: afterwards nobody calls with this user. */
void socket_ends_run_all(const void *user);

#endif
