/* Page tokens: where a list goes on, sealed, so that nobody but us makes one. */
#ifndef SERVICE_TOKEN_H
#define SERVICE_TOKEN_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

#define TOKEN_KEY_MAX 512

struct page_token {
    struct position position; /* that all pages are as of; only 8 bytes of its hash are kept */
    uint64_t filter;          /* hash of what was asked for: a token serves one list */
    uint64_t number;          /* of a list of versions: the last version given */
    char key[TOKEN_KEY_MAX];  /* of a list of configs: the key of the last one given */
    size_t n_key;
};

/* Hexadecimal text at the end of out. */
void page_token_seal(const struct service *service, const struct page_token *token,
                     struct str *out);
/* INVALID_ARGUMENT, reason PAGE_TOKEN, field page_token, where it is not ours or of another list;
 * FAILED_PRECONDITION, reason EPOCH_MISMATCH, where it is of another log. */
bool page_token_open(const struct service *service, const char *text, uint64_t filter,
                     struct page_token *ret_token, struct status *st);

#endif
