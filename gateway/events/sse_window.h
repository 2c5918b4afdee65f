/* The newest events, bounded in bytes. Events are numbered; numbers only grow. Commits leave the
 * window as a whole, the oldest first; the newest commit stays, however large. HTTP thread only. */
#ifndef GATEWAY_SSE_WINDOW_H
#define GATEWAY_SSE_WINDOW_H

#include "sse_event.h"

struct sse_window {
    size_t max_bytes;
    struct sse_event **items; /* owned; a power of two of them */
    size_t room;
    uint64_t first; /* number of the oldest */
    uint64_t next;  /* number that the next one gets */
    size_t bytes;
    uint64_t floor; /* the window has every commit after this revision; valid if is_set */
    bool is_set;
};

void sse_window_fini(struct sse_window *window);
/* Removes all events: another log begins. */
void sse_window_clear(struct sse_window *window);
/* Adds an event (moved). Events must be added in commit order. */
void sse_window_add(struct sse_window *window, struct sse_event *event);
/* Borrowed until an event is added. */
struct sse_event *sse_window_at(const struct sse_window *window, uint64_t number);
/* The number of the first event after a revision. */
uint64_t sse_window_seek(const struct sse_window *window, uint64_t revision);

#endif
