/* A response body that is a JSON array of documents, made part by part so that a long list never is
 * in memory as a whole. The next part is made when the client has read the one before
 * (back-pressure). A part is one page of the server, or a bounded piece of the mirror's list.
 *
 * An array that is complete after its first part is sent with Content-Length. If a later part
 * fails, the connection is closed in the middle of the body, so that the client notices that the
 * array is truncated. HTTP thread only. */
#ifndef GATEWAY_PAGES_H
#define GATEWAY_PAGES_H

#include "mirror.h"
#include "status.h"
#include "str.h"

struct request;

struct pages {
    struct request *r; /* borrowed; it owns this object */
    /* Makes the next part: appends to `text` now, or starts a call whose continuation does. */
    void (*more)(struct pages *pages);
    enum { PAGES_OPEN, PAGES_ENDED, PAGES_CUT } state; /* cut: a part failed after the start */
    struct str text; /* the current part, of which `sent` bytes were sent */
    size_t sent;
    bool any; /* a document has been added */

    /* For the functions that make the parts. */
    char *token;             /* owned: the token of the server's next page */
    uint64_t skip;           /* documents to pass over before the first one */
    uint64_t left;           /* documents that may still follow */
    bool counted;            /* `left` is known */
    struct mirror_list list; /* owned; those from `next` on are still to be added */
    size_t next;
};

/* Gives the request pages, which it must not have yet; the result is borrowed. */
struct pages *pages_new(struct request *r, void (*more)(struct pages *pages));
/* The pages of a request that has some; borrowed. */
struct pages *pages_of(const struct request *r);

/* To be called before and after a document is appended to `text`: add the comma, and remove it
 * again (with all behind it) if `added` is false. `place` is what pages_open_document returned. */
size_t pages_open_document(struct pages *pages);
void pages_close_document(struct pages *pages, size_t place, bool added);
/* Ends the array: no part follows. */
void pages_end(struct pages *pages);

/* Answers 200 with the array, whose first part is complete. */
void pages_answer(struct pages *pages);
/* A part failed with st (NULL: the server's response is incomplete). Refuses the request, or cuts
 * the connection if the answer has begun. */
void pages_fail(struct pages *pages, const struct status *st);

#endif
