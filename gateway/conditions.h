/* If-Match and If-None-Match of a write (RFC 9110, 13.2.2): If-Match is looked at first, and where
 * either is not so the answer is 412.
 *
 * The server alone decides. It takes one expected head at a time; where the head is another it
 * says which, and the write is tried again with that one if the conditions allow it. So a write
 * whose conditions cannot be told as one expectation begins with one that no head meets. */
#ifndef GATEWAY_CONDITIONS_H
#define GATEWAY_CONDITIONS_H

#include "etag.h"
#include "invalid.h"
#include "status.h"

struct request;

struct conditions {
    struct etag_set match; /* If-Match */
    struct etag_set none;  /* If-None-Match */
    bool begun;
    struct expectation expected; /* of the attempt; revision 0: any head, or none */
};

/* Each of the headers may be NULL. */
void conditions_parse(const char *if_match, const char *if_none_match, struct conditions *ret,
                      struct invalid *invalid);
void conditions_fini(struct conditions *conditions);

/* What the next attempt expects, borrowed of the request. False where the conditions cannot be
 * met: the request is answered. */
bool conditions_expect(struct request *r, char **ret_epoch, uint64_t *ret_revision);

enum conditions_next {
    CONDITIONS_RETRY,    /* another head is there that is as wanted: call the handler again */
    CONDITIONS_ANSWERED, /* 412 */
    CONDITIONS_MISSING,  /* they hold, and there is no config; nothing was changed */
    CONDITIONS_OTHER,    /* it did not fail for them */
};
/* What becomes of a write that failed. */
enum conditions_next conditions_after(struct request *r, const struct status *st);

/* Whether a config that is in the way of a create is what the conditions forbid: answers then. */
bool conditions_refuse_existing(struct request *r, const struct status *st);

#endif
