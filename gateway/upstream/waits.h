/* Requests that wait for the mirror: a write until the mirror has its revision, a long poll until
 * its config may have changed. HTTP thread only. */
#ifndef GATEWAY_WAITS_H
#define GATEWAY_WAITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "request.h"

struct waits;
struct service_polls;

/* The continuation of a wait: the event occurred, or the time is over. Answers, or waits again. */
typedef void wait_over(struct request *r);

/* The wait of a request; at most one at a time, and no call meanwhile. */
struct wait {
    bool is_due; /* over; its continuation has not run yet */
    int64_t until_ns;
    uint64_t revision;                /* of a write */
    struct service_polls *of_service; /* of a poll, and where it stands; NULL: a write */
    wait_over *over;
    TAILQ_ENTRY(wait) in_queue; /* by until_ns */
    TAILQ_ENTRY(wait) in_service;
};

struct waits *waits_new(void);
/* Nothing may wait any more. NULL is ignored. */
void waits_free(struct waits *waits);

/* Suspends the request until the mirror has the revision, at most until until_ns. It must begin
 * with struct upstream_request, as in the next function. */
void wait_for_revision(struct request *r, uint64_t revision, int64_t until_ns, wait_over *over);
/* Waits until a config of that service may have changed. */
void wait_for_change(struct request *r, const char *service, int64_t until_ns, wait_over *over);

/* The mirror has reached a revision. */
void waits_moved(struct waits *waits, uint64_t revision);
/* A config of that service may have changed. */
void waits_changed(struct waits *waits, const char *service);
/* Any config may have changed. */
void waits_all_changed(struct waits *waits);

/* Ends the waits that are due, and resumes requests that are not suspended again. */
void waits_run(struct waits *waits, request_resume *resume, void *user);
/* When the first one is due at the latest; -1: none waits. */
int64_t waits_next_ns(const struct waits *waits);

#endif
