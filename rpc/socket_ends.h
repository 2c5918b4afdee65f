/* Tells the owner of an accepted socket when it is closed. The gRPC core closes sockets at any time
 * on any thread; socket_calls.c sees it. Any thread. */
#ifndef RPC_SOCKET_ENDS_H
#define RPC_SOCKET_ENDS_H

#include <stdbool.h>

struct socket_end {
    void (*ended)(void *user, void *what); /* NULL: nobody is told */
    void *user, *what;
};

/* Has `ended` called once when fd, which is open, has been closed. */
void socket_ends_put(int fd, const struct socket_end *end);
/* Takes what was put for fd, before it is closed; its `ended` is NULL where nothing was. */
struct socket_end socket_ends_take(int fd);
/* Calls what was put with this user as if its sockets had been closed. */
void socket_ends_run_all(const void *user);

#endif
