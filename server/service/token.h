/* Page tokens: the position of a list, with a MAC keyed by the store's secret, so that clients
 * cannot make or change one. All nodes of a registry accept each other's tokens. Pure; any thread.
 */
#ifndef SERVICE_TOKEN_H
#define SERVICE_TOKEN_H

#include "confreg/v1/registry_service.pb-c.h"
#include "service.h"

#define TOKEN_KEY_MAX 512 /* more than a key (model/key.h) */

struct page_token {
    struct position position; /* all pages are as of it; a token keeps 8 bytes of its hash */
    uint64_t filter;          /* hash of the list's filters: a token is valid for one list only */
    uint64_t number;          /* list of versions: the last version on the page */
    char key[TOKEN_KEY_MAX];  /* list of configs: the key of the last config on the page */
    size_t n_key;
};

/* Appends the token as hexadecimal text to out. */
void page_token_seal(const struct service *service, const struct page_token *token,
                     struct str *out);
/* INVALID_ARGUMENT PAGE_TOKEN: not a token of this registry, or one of another list.
 * FAILED_PRECONDITION EPOCH_MISMATCH: a token of another epoch. */
bool page_token_open(const struct service *service, const char *text, uint64_t filter,
                     struct page_token *ret_token, struct status *st);

#endif
