#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define DRAIN_READS 16 /* most reads of one socket before the others get their turn */

void sockets_init(struct sockets *sockets)
{
    *sockets = (struct sockets){.n_kept = 0};
    pthread_mutex_init(&sockets->lock, NULL);
}

void sockets_fini(struct sockets *sockets)
{
    free(sockets->kept);
    socket_table_fini(&sockets->accepted);
    pthread_mutex_destroy(&sockets->lock);
}

void sockets_add(struct sockets *sockets, int fd)
{
    pthread_mutex_lock(&sockets->lock);
    socket_table_add(&sockets->accepted, fd);
    pthread_mutex_unlock(&sockets->lock);
}

/* The core may close fd and the number may be reused at any time, so check and use a duplicate. */
static void cut(struct sockets *sockets, int fd, uint64_t cookie)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 && socket_cookie(fd) == cookie) { /* no descriptor is left */
        shutdown(fd, SHUT_RDWR);
    } else if (socket_cookie(copy) == cookie && shutdown(copy, SHUT_WR) == 0) {
        sockets->kept[sockets->n_kept++] = (struct pollfd){.fd = copy, .events = POLLIN};
    } else if (copy >= 0) {
        close(copy);
    }
}

void sockets_cut(struct sockets *sockets)
{
    const struct socket_table *accepted = &sockets->accepted;
    pthread_mutex_lock(&sockets->lock);
    sockets->kept = mem_array(accepted->n + 1, sizeof sockets->kept[0]);
    for (size_t fd = 0; fd < accepted->n; fd++) {
        if (accepted->entries[fd].cookie != 0) {
            cut(sockets, (int)fd, accepted->entries[fd].cookie);
        }
    }
    pthread_mutex_unlock(&sockets->lock);
}

/* Discards input, at most DRAIN_READS reads, so that a client that sends all the time does not
 * outlast the time-out. Whether the peer has not closed its side yet. */
static bool drain(int fd)
{
    char bytes[16384];
    ssize_t n = 1;
    for (int i = 0; i < DRAIN_READS && n > 0; i++) {
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

static void drop_ended(struct sockets *sockets)
{
    size_t n = 0;
    for (size_t i = 0; i < sockets->n_kept; i++) {
        struct pollfd *kept = &sockets->kept[i];
        if (kept->revents != 0 && !drain(kept->fd)) {
            close(kept->fd);
        } else {
            sockets->kept[n++] = *kept;
        }
    }
    sockets->n_kept = n;
}

void sockets_linger(struct sockets *sockets, int64_t ms)
{
    int64_t until = clock_monotonic_ns() + ms * 1000000;
    int64_t left_ms = ms;
    while (sockets->n_kept > 0 && left_ms > 0) {
        if (poll(sockets->kept, sockets->n_kept, (int)left_ms) > 0) {
            drop_ended(sockets);
        }
        left_ms = (until - clock_monotonic_ns() + 999999) / 1000000;
    }
    while (sockets->n_kept > 0) {
        close(sockets->kept[--sockets->n_kept].fd);
    }
}
