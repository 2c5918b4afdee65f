/* One write between its request and its answer, whichever call carries it. */
#ifndef SERVICE_WRITE_ITEM_H
#define SERVICE_WRITE_ITEM_H

#include "answer.h"
#include "mutations.h"

/* Holds copies of all that it needs of the request; of the call it borrows the peer's name. */
struct write_item {
    struct write write; /* without `done` */
    struct service *service;
    struct mutations mutations;
    char *comment, *created_by, *request_id;
    bool brief; /* the answer leaves out payloads, comments and differences */
    /* Adds what follows the header to the answer of a write that went well. */
    void (*answer)(const struct write_item *w, struct answer *answer);
};

/* Each makes its request into a write for the committer. False where the request is refused, as
 * mutations.h and text_check say. In either case write_item_fini is due. */
bool write_item_create(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__CreateConfigRequest *request, struct status *st);
bool write_item_update(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__UpdateConfigRequest *request, struct status *st);
bool write_item_delete(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__DeleteConfigRequest *request, struct status *st);
bool write_item_rollback(struct write_item *w, struct service *service, struct rpc_call *call,
                         const Confreg__V1__RollbackConfigRequest *request, struct status *st);
bool write_item_commit(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__CommitChangesRequest *request, struct status *st);
bool write_item_compact(struct write_item *w, struct service *service, struct rpc_call *call,
                        const Confreg__V1__CompactRequest *request, struct status *st);
void write_item_fini(struct write_item *w);

/* Adds the response to a write that went well. */
void write_item_answer(const struct write_item *w, struct answer *answer);

#endif
