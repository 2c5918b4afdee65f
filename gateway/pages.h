/* The body of an answer that is an array of documents, which may be longer than memory should hold:
 * it is made part by part, the next one when the client has taken the one before. A part is what
 * one page of the server brings, or a bounded piece of what the mirror had.
 *
 * An array that is complete with its first part is answered whole, with its length. Where a later
 * part cannot be had the connection is cut, so that no client takes the beginning for everything.
 * HTTP thread only. */
#ifndef GATEWAY_PAGES_H
#define GATEWAY_PAGES_H

#include "mirror.h"
#include "status.h"
#include "str.h"

struct request;

struct pages {
    struct request *r; /* whose answer it is; it owns this */
    /* Adds to the text and ends the array, or starts a call whose continuation does. */
    void (*more)(struct pages *pages);
    enum { PAGES_OPEN, PAGES_ENDED, PAGES_CUT } state;
    struct str text; /* the part at hand, of which `sent` bytes were sent */
    size_t sent;
    bool any; /* a document has been added */

    /* The makers'. */
    char *token;             /* owned: of the server's next page */
    uint64_t left;           /* documents that may still follow */
    bool counted;            /* whether left has been worked out */
    struct mirror_list list; /* owned; from `next` on still to be shown */
    size_t next;
};

/* Of a request that has none, borrowed. */
struct pages *pages_new(struct request *r, void (*more)(struct pages *pages));
/* Of a request that has some. */
struct pages *pages_of(const struct request *r);

/* Around a document: adds what stands before it and gives the place, which is given back with
 * whether the document was added. */
size_t pages_open_document(struct pages *pages);
void pages_close_document(struct pages *pages, size_t place, bool added);
/* Nothing follows. */
void pages_end(struct pages *pages);

/* Answers with 200 and the array, whose first part is at hand. */
void pages_answer(struct pages *pages);
/* What was to follow cannot be had; st says why (NULL: the server's answer made no sense). Where
 * the request is not answered yet it is refused. */
void pages_fail(struct pages *pages, const struct status *st);

#endif
