#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define DRAIN_READS 16 /* most reads of one socket before the others get their turn */

void sockets_init(struct sockets *sockets)
{
    *sockets = (struct sockets){.n = 0};
    pthread_mutex_init(&sockets->lock, NULL);
}

void sockets_fini(struct sockets *sockets)
{
    free(sockets->kept);
    free(sockets->cookies);
    pthread_mutex_destroy(&sockets->lock);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void sockets_add(struct sockets *sockets, int fd)
{
    size_t n = (size_t)fd + 1;
    pthread_mutex_lock(&sockets->lock);
    if (n > sockets->n) {
        size_t grown = n + n / 2;
        sockets->cookies = mem_grow(sockets->cookies, grown, sizeof sockets->cookies[0]);
        memset(sockets->cookies + sockets->n, 0, (grown - sockets->n) * sizeof sockets->cookies[0]);
        sockets->n = grown;
    }
    sockets->cookies[fd] = cookie_of(fd);
    pthread_mutex_unlock(&sockets->lock);
}

/* The core may close fd and the number may be reused at any time, so check and use a duplicate. */
static void cut(struct sockets *sockets, int fd, uint64_t cookie)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 && cookie_of(fd) == cookie) { /* no descriptor is left */
        shutdown(fd, SHUT_RDWR);
    } else if (cookie_of(copy) == cookie && shutdown(copy, SHUT_WR) == 0) {
        sockets->kept[sockets->n_kept++] = (struct pollfd){.fd = copy, .events = POLLIN};
    } else if (copy >= 0) {
        close(copy);
    }
}

void sockets_cut(struct sockets *sockets)
{
    pthread_mutex_lock(&sockets->lock);
    sockets->kept = mem_array(sockets->n + 1, sizeof sockets->kept[0]);
    for (size_t fd = 0; fd < sockets->n; fd++) {
        if (sockets->cookies[fd] != 0) {
            cut(sockets, (int)fd, sockets->cookies[fd]);
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
