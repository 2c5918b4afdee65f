#include "token.h"

#include <string.h>

#define MAC_SIZE 16
/* epoch, revision, 8 bytes of hash, filter, number; then follow the key and the MAC */
#define FIXED_SIZE (EPOCH_SIZE + 4 * 8)

static void put(uint8_t *out, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static uint64_t get(const uint8_t *in)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | in[i];
    }
    return value;
}

static struct hash seal(const struct service *service, const uint8_t *bytes, size_t n)
{
    return hash_mac(service->store->identity.secret, STORE_SECRET_SIZE, bytes, n);
}

void page_token_seal(const struct service *service, const struct page_token *token, struct str *out)
{
    uint8_t bytes[FIXED_SIZE + TOKEN_KEY_MAX + MAC_SIZE];
    size_t n = FIXED_SIZE + token->n_key;
    memcpy(bytes, service->store->identity.epoch, EPOCH_SIZE);
    put(bytes + EPOCH_SIZE, token->position.revision);
    memcpy(bytes + EPOCH_SIZE + 8, token->position.hash.bytes, 8);
    put(bytes + EPOCH_SIZE + 16, token->filter);
    put(bytes + EPOCH_SIZE + 24, token->number);
    memcpy(bytes + FIXED_SIZE, token->key, token->n_key);
    struct hash mac = seal(service, bytes, n);
    memcpy(bytes + n, mac.bytes, MAC_SIZE);
    n += MAC_SIZE;
    char *text = str_extend(out, 2 * n);
    hex_encode(bytes, n, text);
}

static bool bad_token(struct status *st, const char *why)
{
    return status_bad_field(st, "page_token", "PAGE_TOKEN", "page_token: %s", why);
}

bool page_token_open(const struct service *service, const char *text, uint64_t filter,
                     struct page_token *ret_token, struct status *st)
{
    uint8_t bytes[FIXED_SIZE + TOKEN_KEY_MAX + MAC_SIZE];
    size_t n_text = strlen(text);
    size_t n = n_text / 2;
    if (n < FIXED_SIZE + MAC_SIZE || n > sizeof bytes || !hex_decode(text, n_text, bytes, n)) {
        return bad_token(st, "it is not one that this service gave");
    }
    n -= MAC_SIZE;
    struct hash mac = seal(service, bytes, n);
    if (!secret_equal(mac.bytes, bytes + n, MAC_SIZE)) {
        return bad_token(st, "it is not one that this service gave");
    }
    if (memcmp(bytes, service->store->identity.epoch, EPOCH_SIZE) != 0) {
        return status_set_outcome(st, OUTCOME_EPOCH_MISMATCH,
                                  "page_token belongs to another log; list again from the start");
    }
    *ret_token = (struct page_token){.position.revision = get(bytes + EPOCH_SIZE),
                                     .filter = get(bytes + EPOCH_SIZE + 16),
                                     .number = get(bytes + EPOCH_SIZE + 24),
                                     .n_key = n - FIXED_SIZE};
    memcpy(ret_token->position.hash.bytes, bytes + EPOCH_SIZE + 8, 8);
    memcpy(ret_token->key, bytes + FIXED_SIZE, ret_token->n_key);
    return ret_token->filter == filter || bad_token(st, "it belongs to a list with other filters");
}
