/* What a listener missed and the window no longer holds: a watch of the server from its position
 * on, for as long as that takes.
 *
 * Each is owned by the stream that started it (HTTP thread), and fed on the client's thread; it
 * takes a bounded number of bytes ahead, then ends by itself, to be started again from where it
 * got to. */
#ifndef GATEWAY_CATCH_UP_H
#define GATEWAY_CATCH_UP_H

#include "registry_client.h"
#include "sse_event.h"

struct catch_up;
struct catch_ups;

struct catch_ups *catch_ups_new(void);
/* None may be open. NULL is ignored. */
void catch_ups_free(struct catch_ups *catch_ups);
/* Readable while there is news. */
int catch_ups_fd(const struct catch_ups *catch_ups);
/* Whether another one may be started: calls and bytes are bounded together. */
bool catch_ups_has_room(const struct catch_ups *catch_ups);
/* Not closed by their owners yet, or not ended. */
size_t catch_ups_open(const struct catch_ups *catch_ups);

/* Texts that are at hand, for the owner to take away. */
struct piece {
    STAILQ_ENTRY(piece) next;
    struct buf *text;
    uint64_t revision;
    bool ends_commit; /* of what is selected */
};
STAILQ_HEAD(pieces, piece);
void piece_free(struct catch_ups *catch_ups, struct piece *piece);

struct catch_up_news {
    struct pieces pieces; /* moved */
    uint64_t position;    /* all that is selected up to it has been told */
    bool started;         /* the server knows the position */
    bool ended;           /* there comes no more; close it, and start another one */
    bool failed;          /* with st */
    struct status st;
};

/* Starts after a position. The selector is that of a mirror. owner is given to catch_ups_run. */
struct catch_up *catch_up_start(struct catch_ups *catch_ups, struct registry_client *client,
                                const char *epoch, uint64_t position,
                                const struct mirror_selector *selector, void *owner);
/* What has come since it was asked last; ret_news->pieces has to be a list: the new ones go behind
 * what is in it. */
void catch_up_take(struct catch_up *catch_up, struct catch_up_news *ret_news);
/* The owner is done with it. */
void catch_up_close(struct catch_up *catch_up);

/* Calls news(owner) for each that has some. */
void catch_ups_run(struct catch_ups *catch_ups, void (*news)(void *owner));

#endif
