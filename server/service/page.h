/* Shared parts of the paged methods: sizes, tokens, filters. Pure; any thread. */
#ifndef SERVICE_PAGE_H
#define SERVICE_PAGE_H

#include "answer.h"
#include "rights.h"
#include "token.h"

#define PAGE_ITEMS 1000 /* the most, and the default */

/* How many items a page has, given the request's page_size. */
size_t page_items(uint32_t page_size);

/* When a page that reads the store ends early, by the monotonic clock: a store may be so slow that
 * the counted work of a page would outlast the call's deadline. A page must have moved on before it
 * ends for that. */
int64_t page_work_until(void);
bool page_is_late(int64_t until_ns);

/* A hash of a caller, a method and its filters, which binds a page token to one list of one
 * principal. */
uint64_t page_filter(const struct service *service, const struct rpc_call *call, const char *method,
                     const char *a, const char *b, const char *c);

/* The same of a method whose filters are a request: the message without what may differ from page
 * to page. */
uint64_t page_filter_of(const struct service *service, const struct rpc_call *call,
                        const char *method, const ProtobufCMessage *filters);

/* Opens the token; without one (""), the pages are as of now. Errors as of page_token_open. */
bool page_open(const struct service *service, const char *text, uint64_t filter,
               struct page_token *ret_token, struct status *st);
/* The revision of a page token; 0: there is no token. This node may be behind it, if another node
 * issued the token. */
bool page_revision(const struct service *service, const char *text, uint64_t filter,
                   uint64_t *ret_revision, struct status *st);
/* Adds next_page_token, field 3 in the responses of all lists. */
void page_add_next(const struct service *service, const struct page_token *token,
                   struct answer *answer);
/* Adds filtered, field 4 in the responses of all lists, unless the caller may read all that the
 * request selects. */
void page_add_filtered(enum view_extent extent, struct answer *answer);

/* The text of a filter for head_filter: NULL for "". */
const char *filter_text(const char *text);
/* Validate a filter, which may be "". INVALID_ARGUMENT NAME_…. */
bool check_name_filter(const char *name, const char *field, struct status *st);
bool check_prefix_filter(const char *prefix, const char *field, struct status *st);
/* All three, by the names of their fields in every request. */
bool check_name_filters(const char *environment, const char *service, const char *service_prefix,
                        struct status *st);

#endif
