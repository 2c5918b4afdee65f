/* A server of one thread and its clients in the same one: they take turns. */
#ifndef UNIT_HTTP_PEER_H
#define UNIT_HTTP_PEER_H

#include "http_server.h"
#include "listener.h"

struct peer {
    int fd;
    struct str heard;
    bool closed; /* by the server */
};

/* Listens on loopback and connects there. */
void peer_listen(struct listener *listener);
void peer_connect(struct peer *peer, const struct listener *listener);
void peer_fini(struct peer *peer);
void peer_say(struct peer *peer, const char *text);
/* Says no more. */
void peer_end(struct peer *peer);
/* Leaves by a reset. */
void peer_reset(struct peer *peer);
/* Takes what is there. */
void peer_receive(struct peer *peer);
/* Runs the server until the peer has heard a text, or everything. */
void peer_hear(struct peer *peer, struct http_server *server, const char *text);
void peer_hear_all(struct peer *peer, struct http_server *server);

/* One turn of the server, which waits for 10 ms at most. */
void serve_once(struct http_server *server);

#endif
