/* A write item: one write from its request to its response. The methods of write.h have one per
 * call; WriteConfigs has several. */
#ifndef SERVICE_WRITE_ITEM_H
#define SERVICE_WRITE_ITEM_H

#include "answer.h"
#include "write_form.h"

/* Owns copies of everything that it needs from the request. Borrows the peer's and the
 * caller's names from the call, which must outlive it. */
struct write_item {
    struct write write; /* the caller sets write.done */
    struct service *service;
    struct mutations mutations;
    char *credential, *comment, *created_by, *request_id;
    struct value_report report; /* what is wrong with its values */
    struct suspects suspects;   /* what in them looks like secrets, by the index of the mutation */
    struct suspects texts;      /* the same of comment, author, names and schema; as place 0 */
    bool include_large;         /* payloads and differences, however large */
    bool brief;                 /* the response leaves out payload, comment and diff */
    const struct write_form *form;
};

/* Turns a request into a write for the committer. False: the request is invalid; errors as in
 * mutations.h and text_check. Call write_item_fini in either case. */
bool write_item_init(struct write_item *w, struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, struct status *st);
void write_item_fini(struct write_item *w);

/* Tells operators of secrets in the values; once, before the answer. Of an item that was not made,
 * it tells nothing. */
void write_item_notice(const struct write_item *w);
/* Appends the response of a successful write to answer. */
void write_item_answer(const struct write_item *w, struct answer *answer);

#endif
