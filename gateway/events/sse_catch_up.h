/* Catch-ups: watches of the server that deliver to a stream the events that have left the window.
 *
 * A catch-up is owned by the stream that started it (HTTP thread) and receives on the client's
 * thread. It buffers a bounded number of bytes, then ends; the stream starts another one from the
 * position that it has reached (back-pressure). */
#ifndef GATEWAY_SSE_CATCH_UP_H
#define GATEWAY_SSE_CATCH_UP_H

#include "registry_client.h"
#include "sse_event.h"

struct sse_catch_up;
struct sse_catch_ups;

struct sse_catch_ups *sse_catch_ups_new(void);
/* None may be open. NULL is ignored. */
void sse_catch_ups_free(struct sse_catch_ups *catch_ups);
/* Readable while a catch-up has news. */
int sse_catch_ups_fd(const struct sse_catch_ups *catch_ups);
/* Whether another one may be started: the number of catch-ups and their bytes are bounded. */
bool sse_catch_ups_has_room(const struct sse_catch_ups *catch_ups);
/* How many have not been closed by their owner, or have not ended. */
size_t sse_catch_ups_open(const struct sse_catch_ups *catch_ups);

/* The text of a received event; owned by the stream that took it. */
struct sse_piece {
    STAILQ_ENTRY(sse_piece) next;
    struct buf *text;
    uint64_t revision;
    bool ends_commit; /* the last event of its commit that the stream selects */
};
STAILQ_HEAD(sse_pieces, sse_piece);
void sse_piece_free(struct sse_catch_ups *catch_ups, struct sse_piece *piece);

struct sse_catch_up_news {
    struct sse_pieces pieces; /* moved */
    uint64_t position;        /* all selected events up to it have been received */
    bool started;             /* the server has accepted the position */
    bool ended;               /* nothing follows: close it, and start another one if needed */
    bool failed;              /* it ended with st */
    struct status st;
};

/* Starts after a position, on behalf of a caller (NULL: the gateway's own). owner is passed to the
 * callback of sse_catch_ups_run. */
struct sse_catch_up *sse_catch_up_start(struct sse_catch_ups *catch_ups,
                                        struct registry_client *client,
                                        const struct registry_caller *caller, const char *epoch,
                                        uint64_t position, const struct mirror_selector *selector,
                                        void *owner);
/* Takes what was received since the last call. ret_news->pieces must be an initialised list; new
 * pieces are appended. */
void sse_catch_up_take(struct sse_catch_up *catch_up, struct sse_catch_up_news *ret_news);
/* Cancels the watch if it has not ended. The owner must not use it afterwards. */
void sse_catch_up_close(struct sse_catch_up *catch_up);

/* Calls news(owner) for each catch-up that has news. */
void sse_catch_ups_run(struct sse_catch_ups *catch_ups, void (*news)(void *owner));

#endif
