/* If-Match and If-None-Match of a write (RFC 9110, 13.2.2). If-Match is evaluated first; if either
 * fails, the answer is 412.
 *
 * Both headers can name several heads, while a write to the server carries one expected head. So a
 * write is a compare-and-swap loop: when the server refuses it because the head is another one, the
 * refusal names the current head; if the conditions allow that head, the write is tried again and
 * expects it. The server thus makes the final decision, atomically. A write whose conditions are
 * not one expectation starts by expecting a head that cannot exist, to learn the current one.
 *
 * Each attempt fails only because another write succeeded in between. After CONDITIONS_ATTEMPTS the
 * request is answered with 503, so that a busy config does not keep it and the server at work for
 * as long as the others write. */
#ifndef GATEWAY_CONDITIONS_H
#define GATEWAY_CONDITIONS_H

#include "etag.h"
#include "invalid.h"
#include "status.h"

struct request;

#define CONDITIONS_ATTEMPTS 16

struct conditions {
    struct etag_set match;       /* If-Match */
    struct etag_set none;        /* If-None-Match */
    unsigned n_attempts;         /* 0: `expected` is not set */
    struct expectation expected; /* of the next attempt; revision 0: any head, or no config */
};

/* Headers that are not given are NULL. ret must be given to conditions_fini in any case. */
void conditions_parse(const char *if_match, const char *if_none_match, struct conditions *ret,
                      struct invalid *invalid);
void conditions_fini(struct conditions *conditions);

/* The head that the next attempt must expect; *ret_epoch is borrowed from the request. False: no
 * head can satisfy the conditions, and the request has been answered with 412. */
bool conditions_expect(struct request *r, char **ret_epoch, uint64_t *ret_revision);

enum conditions_next {
    CONDITIONS_RETRY,    /* the conditions allow the current head: call the handler again */
    CONDITIONS_ANSWERED, /* the conditions fail (412), or attempts are used up (503): answered */
    CONDITIONS_MISSING,  /* the conditions hold, but there is no config to write to */
    CONDITIONS_OTHER,    /* the write failed for another reason than the head */
};
/* The next step after the server refused a write with st. */
enum conditions_next conditions_after(struct request *r, const struct status *st);

/* Whether the server refused a write because there is no config, whatever the conditions say. */
bool conditions_finds_none(const struct status *st);

/* For a create that failed because the config exists: if the conditions forbid that config, answers
 * with 412 and returns true. */
bool conditions_refuse_existing(struct request *r, const struct status *st);

#endif
