/* A change as it is told to whoever listens to server-sent events. */
#ifndef GATEWAY_SSE_EVENT_H
#define GATEWAY_SSE_EVENT_H

#include <sys/queue.h>

#include "buf.h"
#include "mirror.h"
#include "str.h"

/* What an event says, wherever it came from. All borrowed. */
struct sse_text {
    const char *name; /* "created", "updated", "deleted", "snapshot" */
    const char *environment;
    const char *service_name;
    uint64_t version;
    uint64_t head_version;
    int64_t time_us;
    const char *created_by; /* NULL where nobody said so */
    const char *comment;
    const char *data; /* NULL where there is none */
    size_t n_data;
};

/* "event: updated\ndata: {…}\n", which a blank line has to end; owned. */
struct buf *sse_text_render(const struct sse_text *event);
/* The name of a change; NULL where it is none that is told. */
const char *sse_name(int kind, bool was_there);

/* Immutable but for its place in a list. */
struct sse_event {
    STAILQ_ENTRY(sse_event) next;
    bool is_reset; /* all before it is void */
    bool ends_commit;
    uint64_t revision;
    const char *environment;
    const char *service_name;
    struct buf *text; /* NULL where the change is not told */
    char names[];
};
STAILQ_HEAD(sse_events, sse_event);

struct sse_event *sse_event_new(const struct mirror_change *change);
struct sse_event *sse_event_new_reset(void);
void sse_event_free(struct sse_event *event);
void sse_events_drop(struct sse_events *events);

#endif
