#include "sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"

void sockets_init(struct sockets *sockets)
{
    *sockets = (struct sockets){.n = 0};
    pthread_mutex_init(&sockets->lock, NULL);
}

void sockets_fini(struct sockets *sockets)
{
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

/* The number may become another's between two calls; what a copy of it stands for cannot. */
static void cut(int fd, uint64_t cookie)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return;
    }
    if (cookie_of(copy) == cookie) {
        shutdown(copy, SHUT_RDWR);
    }
    close(copy);
}

void sockets_cut(struct sockets *sockets)
{
    pthread_mutex_lock(&sockets->lock);
    for (size_t fd = 0; fd < sockets->n; fd++) {
        if (sockets->cookies[fd] != 0) {
            cut((int)fd, sockets->cookies[fd]);
        }
    }
    pthread_mutex_unlock(&sockets->lock);
}
