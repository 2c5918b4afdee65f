/* Pieces of answers. */
#ifndef SERVICE_ANSWER_H
#define SERVICE_ANSWER_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

#define REPLY_BYTES (3u << 20) /* limit of answers; gRPC clients accept 4 MiB by default */

/* The header of a response as its field 1. */
struct buf *answer_header(const struct service *service, const struct position *position);

/* An answer that is gathered piece by piece. */
struct answer {
    struct buf **pieces; /* owned references */
    size_t n;
    size_t room;
    size_t bytes;
};

/* The reference moves. NULL is left out. */
void answer_add(struct answer *answer, struct buf *piece);
/* Makes what was gathered a message that is this field of another. */
void answer_enclose(struct answer *answer, uint32_t field);
/* Moves the pieces of another one behind its own. */
void answer_append(struct answer *answer, struct answer *other);
/* Sends it, consuming the call, and empties it. */
void answer_send(struct answer *answer, struct rpc_call *call);
void answer_drop(struct answer *answer);

/* A Diff with room for what it points to. */
struct diff_answer {
    Confreg__V1__Diff diff;
    struct json_diff changes;
    Confreg__V1__DiffEntry *entries;
    Confreg__V1__DiffEntry **pointers;
    struct str patch;
};
/* Fills all but names and versions; the texts are borrowed until fini. */
void diff_answer_init(struct diff_answer *answer, struct json_text old_data,
                      struct json_text new_data);
void diff_answer_fini(struct diff_answer *answer);

#endif
