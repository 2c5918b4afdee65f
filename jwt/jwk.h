/* One key of a set (RFC 7517), and checking a signature by it. Private to jwt.
 *
 * The type of a key decides the only algorithm that it is used for. So no token can choose one: not
 * `none`, and not HS256 with a public key as the secret.
 *
 * A key is immutable after jwk_read; any number of threads can check by it at a time. */
#ifndef JWT_JWK_H
#define JWT_JWK_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define JWK_KID_MAX 255 /* bytes */
#define JWK_RSA_MIN_BITS 2048
#define JWK_RSA_MAX_BITS 8192 /* a signature of such a key takes 0.3 ms to check */
#define JWK_RSA_EXPONENT_MAX_BITS 64
#define JWK_SECRET_MIN_BYTES 32
#define JWK_SECRET_MAX_BYTES 1024

enum jwk_algorithm {
    JWK_HS256, /* kty oct */
    JWK_RS256, /* kty RSA */
    JWK_ES256, /* kty EC, crv P-256 */
    JWK_EDDSA, /* kty OKP, crv Ed25519; tokens call it EdDSA or Ed25519 (RFC 9864) */
    JWK_ALGORITHMS
};

struct jwk {
    char *kid; /* owned; "": the key has none */
    enum jwk_algorithm algorithm;
    EVP_PKEY *public_key; /* owned; NULL for JWK_HS256 */
    uint8_t *secret;      /* owned, of n_secret bytes; NULL for all others */
    size_t n_secret;
};

enum jwk_reading {
    JWK_READ,
    JWK_SKIPPED, /* a key of another type, curve or algorithm, or for another use than signatures */
    JWK_REFUSED, /* see jwk_read */
};

/* Reads a key out of checked JSON. JWK_REFUSED: no object; a member that is missing or malformed;
 * an RSA key, or a secret, of another size than the bounds above; a point that is not on the curve;
 * a private key where a public one is enough. Then *ret_why is a literal that says so. */
enum jwk_reading jwk_read(struct json_text json, struct jwk *ret_key, const char **ret_why);
/* Wipes a secret. Ignores a zeroed key. */
void jwk_fini(struct jwk *key);

/* Whether the text of `alg` in a token's header or in a key names the algorithm. */
bool jwk_algorithm_is(enum jwk_algorithm algorithm, struct json_text name);

/* Whether the signature over n bytes is the key's. */
bool jwk_verify(const struct jwk *key, const char *bytes, size_t n, const uint8_t *signature,
                size_t n_signature);

#endif
