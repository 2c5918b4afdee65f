#include "cork.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define REMEMBERED 1024 /* connections, by descriptor */

struct corked_connection {
    int fd;
    bool held;
    bool again; /* more than one send */
};

struct run {
    unsigned depth;
    size_t n_sends; /* since the end of the last run */
    size_t n;
    struct corked_connection connections[CORK_SENDS]; /* connections of these sends */
    bool often[REMEMBERED]; /* had several sends in its last run: corked from the first send on */
};

static _Thread_local struct run run;

static void set_cork(int fd, int held)
{
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &held, sizeof held); /* fails if fd has been closed */
}

static void let_go(void)
{
    for (size_t i = 0; i < run.n; i++) {
        const struct corked_connection *connection = &run.connections[i];
        if (connection->held) {
            set_cork(connection->fd, 0);
        }
        run.often[connection->fd % REMEMBERED] = connection->again;
    }
    run.n = 0;
    run.n_sends = 0;
}

void cork_begin(void)
{
    run.depth++;
}

void cork_end(void)
{
    assert(run.depth > 0 && "a run that ends has begun");
    if (--run.depth == 0) {
        let_go();
    }
}

bool cork_is_on(void)
{
    return run.depth > 0;
}

/* Searches from the newest: sends on one connection often follow each other. */
static struct corked_connection *find(int fd)
{
    for (size_t i = run.n; i > 0; i--) {
        if (run.connections[i - 1].fd == fd) {
            return &run.connections[i - 1];
        }
    }
    return NULL;
}

void cork_before_send(int fd)
{
    if (run.depth == 0 || fd < 0) {
        return;
    }
    if (run.n_sends++ == CORK_SENDS) {
        let_go();
        run.n_sends = 1;
    }
    struct corked_connection *connection = find(fd);
    if (connection == NULL) {
        connection = &run.connections[run.n++];
        *connection = (struct corked_connection){.fd = fd};
    } else {
        connection->again = true;
    }
    if (!connection->held && (connection->again || run.often[fd % REMEMBERED])) {
        connection->held = true;
        set_cork(fd, 1);
    }
}
