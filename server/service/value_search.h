/* Searches of stored values, in pages: the configs of a filter in the order of their keys, and,
 * where it is asked for, all versions of each that are kept, from the newest on. A page ends when
 * it is full or has taken its time; the work of a call is bounded. What a search looks for is its
 * visitor's business.
 *
 * For responses whose fields are {header = 1, what was found = 2, next_page_token = 3, filtered =
 * 4}. Blocks on the store: for threads of the worker pool. */
#ifndef SERVICE_VALUE_SEARCH_H
#define SERVICE_VALUE_SEARCH_H

#include "deferred_read.h"
#include "page.h"

#define SEARCH_FIELD_FOUND 2 /* of the response */

/* A version of a config; borrowed. */
struct found_value {
    const struct head *head;
    struct json_text json;
    uint64_t version, revision;
    bool secrets_allowed;
    bool superseded; /* it is not the head */
};

struct value_search {
    struct service *service;   /* the caller fills this and the next six, or value_search_of does
                                * so for all but visit and with_versions */
    struct head_filter filter; /* borrowed texts */
    bool with_versions;
    size_t left; /* finds that fit; those of one version stay together */
    /* Looks at a value, and adds what it finds by value_search_add. */
    void (*visit)(struct value_search *search, const struct found_value *value);
    uint64_t token_filter; /* of the page token (page_filter) */
    const char *page_token;

    struct view view;
    struct view_bounds bounds; /* of the filter */
    int64_t until_ns;
    bool full, has_moved;
    struct page_token token; /* the last config, or the last version of it, that was searched */
    const struct head *head; /* that is being searched */
    struct answer answer;
};

/* A request that searches the configs that its name filters select. Borrowed of its message. */
struct search_request {
    const ProtobufCMessage *message;
    const Confreg__V1__ReadOptions *read;
    const char *list;                                   /* sets its page tokens apart */
    const char *environment, *service, *service_prefix; /* "": any */
    uint32_t page_size;
    const char *page_token;
};

/* Checks the request, and runs the body on the worker pool when the read options are met. Consumes
 * the call. Fails it as check_name_filters, page_revision and read_when_reached say. */
void value_search_start(struct service *service, struct rpc_call *call,
                        const struct search_request *request, read_body *body);
/* The search of such a request; borrows its texts. */
struct value_search value_search_of(struct service *service, const struct rpc_call *call,
                                    const struct search_request *request);

/* Adds a find, encoded as field SEARCH_FIELD_FOUND; the reference moves. */
void value_search_add(struct value_search *search, struct buf *found);
/* Makes a page of what the caller may read, and answers the call. extra: a further piece of the
 * response, made at its end; NULL: none. */
void value_search_answer(struct value_search *search, struct rpc_call *call,
                         struct buf *(*extra)(struct value_search *search));

#endif
