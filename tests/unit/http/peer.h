/* A client of a server under test. Both run on the test's thread and take turns. */
#ifndef UNIT_HTTP_PEER_H
#define UNIT_HTTP_PEER_H

#include "http_server.h"
#include "listener.h"

struct peer {
    int fd;
    struct str heard;
    bool closed; /* the server has closed the connection */
};

/* Listens on loopback; connects to such a listener. */
void peer_listen(struct listener *listener);
void peer_connect(struct peer *peer, const struct listener *listener);
void peer_fini(struct peer *peer);
void peer_say(struct peer *peer, const char *text);
/* Closes the sending side. */
void peer_end(struct peer *peer);
/* Closes the connection with a reset. */
void peer_reset(struct peer *peer);
/* Reads what has arrived, without waiting. */
void peer_receive(struct peer *peer);
/* Runs the server until the peer has received a text; until the server has closed. */
void peer_hear(struct peer *peer, struct http_server *server, const char *text);
void peer_hear_all(struct peer *peer, struct http_server *server);

/* Runs the server's loop once; waits for events for at most 10 ms. */
void serve_once(struct http_server *server);

#endif
