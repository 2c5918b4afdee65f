/* A change as a server-sent event. */
#ifndef GATEWAY_SSE_EVENT_H
#define GATEWAY_SSE_EVENT_H

#include <sys/queue.h>

#include "buf.h"
#include "mirror.h"
#include "str.h"

/* The members of an event, whether it comes from the mirror or from a watch. All borrowed. */
struct sse_text {
    const char *name; /* "created", "updated", "deleted", "snapshot" */
    const char *environment;
    const char *service_name;
    uint64_t version;
    uint64_t head_version;
    int64_t time_us;
    const char *created_by; /* NULL: not given */
    const char *comment;
    const char *data; /* NULL: none */
    size_t n_data;
};

/* "event: updated\ndata: {…}\n", owned by the caller. An id or an empty line must follow. */
struct buf *sse_text_render(const struct sse_text *event);
/* The comment to show with a kind of change. Borrowed. */
const char *sse_comment(int kind, const char *comment);
/* The event name of a kind of change; NULL: no event is sent for it. */
const char *sse_name(int kind, bool was_there);

/* A change. Made on the mirror's thread, then used on the HTTP thread. Its text is made when the
 * first stream needs it, because most changes are not selected by any. Otherwise immutable. */
struct sse_event {
    STAILQ_ENTRY(sse_event) next;
    bool is_reset; /* all events before it are void; the other members are not set */
    bool ends_commit;
    bool is_told; /* false: no event is sent for this kind of change */
    uint64_t revision;
    const char *environment;
    const char *service_name;
    size_t n_bytes; /* approximate memory; does not change when the text is made */

    struct buf *text; /* owned; NULL: not made yet */
    struct mirror_config
        *after;            /* a reference: of the data in the text; NULL where there is none */
    struct sse_text parts; /* of the text but for its data; texts are in `texts` */
    char texts[];
};
STAILQ_HEAD(sse_events, sse_event);

struct sse_event *sse_event_new(const struct mirror_change *change);
struct sse_event *sse_event_new_reset(void);
void sse_event_free(struct sse_event *event);
/* A new reference to the text; is_told must be true. HTTP thread. */
struct buf *sse_event_text(struct sse_event *event);
void sse_events_drop(struct sse_events *events);

#endif
