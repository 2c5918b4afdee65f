/* Connections from the moment they are accepted until their first bytes are there.
 *
 * Those bytes say what a connection is for: one that begins with the whole head of a GET /api/watch
 * most likely ends with it too, and needs less memory than others for as long as it stays. They are
 * looked at, and left to whoever takes the connection. HTTP thread only. */
#ifndef GATEWAY_ARRIVALS_H
#define GATEWAY_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct arrivals;

enum arrival_kind { ARRIVAL_ANY, ARRIVAL_WATCH };

/* What an ARRIVAL_WATCH costs libmicrohttpd at most while it reads the head, in bytes. */
#define ARRIVAL_WATCH_BYTES 3072

/* Has something to say. fd is moved, peer is borrowed. */
typedef void arrival_taken(void *user, int fd, const struct sockaddr *peer, socklen_t n_peer,
                           enum arrival_kind kind);

/* listen_fd is borrowed. Who says nothing for so long is disconnected. NULL, with errno, where
 * there is no descriptor left. */
struct arrivals *arrivals_new(int listen_fd, int64_t patience_ms);
/* Disconnects those that wait. NULL is ignored. */
void arrivals_free(struct arrivals *arrivals);
/* Readable while there is something for arrivals_run. */
int arrivals_fd(const struct arrivals *arrivals);
/* When it has to be run at the latest; -1: never. */
int64_t arrivals_next_ns(const struct arrivals *arrivals);

/* Accepts, as long as no more than max wait for their first bytes; the others are left to the
 * kernel. To be called whenever max may be another; nothing is looked at unless arrivals_fd is
 * readable. */
void arrivals_run(struct arrivals *arrivals, bool readable, size_t max, arrival_taken *taken,
                  void *user);
/* Accepts no more, hands those over that have said something and disconnects the others. The
 * listener may be closed then. */
void arrivals_stop(struct arrivals *arrivals, arrival_taken *taken, void *user);

/* What the first bytes of a connection are. */
enum arrival_kind arrival_kind_of(const char *bytes, size_t n);

#endif
