/* A set of keys by which tokens are checked: a JWKS (RFC 7517, section 5).
 *
 * Used are: RSA (RS256), EC with P-256 (ES256), OKP with Ed25519 (EdDSA) and oct (HS256). Each key
 * is used for this algorithm only, whatever a token says. Keys of other types or algorithms, or for
 * another use than signatures, are skipped, as providers publish such keys beside those. A set with
 * a used key that is malformed or weak is refused as a whole: less than 2048 bits of RSA, less than
 * 32 bytes of a secret, a point that is not on its curve, a private key.
 *
 * A set is immutable; any thread may use it. */
#ifndef JWT_JWT_KEYS_H
#define JWT_JWT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "mem.h"
#include "status.h"

#define JWT_KEYS_MAX_BYTES (1u << 20)
#define JWT_KEYS_MAX 256

struct jwt_keys;

/* Reads the text of a set; it may hold secrets, and is the caller's to wipe. INVALID_ARGUMENT with
 * reason JWKS: no JSON object with a list "keys"; a refused key; two keys with one kid, or a key
 * without one beside others; secrets beside public keys; no key that can be used; more than
 * JWT_KEYS_MAX_BYTES or JWT_KEYS_MAX. The message tells the position of a key, and nothing of its
 * content. */
bool jwt_keys_parse(const char *text, size_t n, struct jwt_keys **ret_keys, struct status *st);
/* Wipes secrets. NULL is ignored. */
void jwt_keys_free(struct jwt_keys *keys);
MEM_CLEANUP(struct jwt_keys, jwt_keys_free)

size_t jwt_keys_count(const struct jwt_keys *keys);

struct jwk;
/* The key that a token names by its kid; NULL: the token names none, which is enough where the set
 * has one key. NULL: no such key. */
const struct jwk *jwt_keys_find(const struct jwt_keys *keys, const char *kid);

#endif
