/* An index of event streams by their selectors: a change finds the streams that select it without
 * visiting any other.
 *
 * A selector names one environment or any, and one service or a prefix of service names (an empty
 * prefix: every service). All members with equal selectors are one audience. A change looks up two
 * audiences for its service, and two for each length of a prefix in the index. HTTP thread only. */
#ifndef GATEWAY_SSE_INDEX_H
#define GATEWAY_SSE_INDEX_H

#include <sys/queue.h>

#include "mirror.h"

struct sse_audience;
struct sse_index;

/* A member, embedded in its owner's object. sse_index_visit finds it only while it listens. */
struct sse_member {
    struct sse_audience *audience; /* NULL: its selector can match nothing */
    bool listens;
    TAILQ_ENTRY(sse_member) in_audience; /* while it listens */
};

struct sse_index *sse_index_new(void);
/* All members must have left. NULL is ignored. */
void sse_index_free(struct sse_index *index);

/* The selector's texts are borrowed until the member leaves. */
void sse_index_join(struct sse_index *index, const struct mirror_selector *selector,
                    struct sse_member *member);
void sse_index_leave(struct sse_index *index, struct sse_member *member);

/* Start or stop listening; idempotent. */
void sse_index_listen(struct sse_member *member);
void sse_index_ignore(struct sse_member *member);

/* Calls visit for each listening member whose selector matches; visit may make that member stop
 * listening. */
void sse_index_visit(struct sse_index *index, const char *environment, const char *service_name,
                     void (*visit)(void *user, struct sse_member *member), void *user);

#endif
