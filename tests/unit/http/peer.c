#include "peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define TURN_NS 10000000
#define PATIENCE_NS INT64_C(60000000000)

void peer_listen(struct listener *listener)
{
    struct status st;
    cr_assert(listener_open("127.0.0.1:0", listener, &st), "%s", st.message);
}

void peer_connect(struct peer *peer, const struct listener *listener)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    *peer = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    cr_assert_eq(getsockname(listener->fds[0], (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(connect(peer->fd, (const struct sockaddr *)&name, size), 0);
}

void peer_fini(struct peer *peer)
{
    close(peer->fd);
    str_fini(&peer->heard);
}

void peer_say(struct peer *peer, const char *text)
{
    cr_assert_eq(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void peer_end(struct peer *peer)
{
    shutdown(peer->fd, SHUT_WR);
}

void peer_reset(struct peer *peer)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer->fd);
    peer->fd = -1;
}

void serve_once(struct http_server *server)
{
    http_server_poll(server, clock_monotonic_ns() + TURN_NS);
    http_server_run(server);
}

void peer_receive(struct peer *peer)
{
    char bytes[65536];
    ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        str_add(&peer->heard, bytes, (size_t)n);
    }
    peer->closed = n == 0;
}

void peer_hear(struct peer *peer, struct http_server *server, const char *text)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    while (strstr(str_text(&peer->heard), text) == NULL) {
        serve_once(server);
        peer_receive(peer);
        cr_assert(!peer->closed && clock_monotonic_ns() < until_ns, "not heard: %s in %s", text,
                  str_text(&peer->heard));
    }
}

void peer_hear_all(struct peer *peer, struct http_server *server)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    while (!peer->closed) {
        serve_once(server);
        peer_receive(peer);
        cr_assert_lt(clock_monotonic_ns(), until_ns, "not closed");
    }
}
