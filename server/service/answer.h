/* Building responses from encoded pieces. Heads and events are already encoded (encode.h), so a
 * response is a list of references to such pieces, which rpc sends without copying. */
#ifndef SERVICE_ANSWER_H
#define SERVICE_ANSWER_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

#define REPLY_BYTES (3u << 20) /* limit of answers; gRPC clients accept 4 MiB by default */
/* The most that clients accept by default, less the header and what encloses an answer. */
#define ACCEPTED_BYTES ((4u << 20) - 1024)

/* Encodes the header of a response, which is its field 1. */
struct buf *answer_header(const struct service *service, const struct position *position);

/* A response under construction. Zeroed: empty. */
struct answer {
    struct buf **pieces; /* owned references */
    size_t n;
    size_t room;
    size_t bytes; /* of all pieces */
};

/* Appends a piece; the reference moves. NULL is ignored. */
void answer_add(struct answer *answer, struct buf *piece);
/* Wraps all pieces into one length-delimited field of an enclosing message. */
void answer_enclose(struct answer *answer, uint32_t field);
/* Moves the pieces of other to the end of answer. */
void answer_append(struct answer *answer, struct answer *other);
/* Sends the response and empties it. Consumes the call. */
void answer_send(struct answer *answer, struct rpc_call *call);
/* Releases all pieces without sending. */
void answer_drop(struct answer *answer);

/* A Diff message and the memory that it points to. */
struct diff_answer {
    Confreg__V1__Diff diff;
    struct json_diff changes;
    Confreg__V1__DiffEntry *entries;
    Confreg__V1__DiffEntry **pointers;
    struct str patch;
};
/* Compares two JSON objects and fills all members of diff but names and versions. The texts are
 * borrowed until diff_answer_fini. */
void diff_answer_init(struct diff_answer *answer, struct json_text old_data,
                      struct json_text new_data);
void diff_answer_fini(struct diff_answer *answer);

#endif
