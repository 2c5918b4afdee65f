/* Checks JSON Web Tokens (RFC 7519) as bearers send them: signed (RFC 7515), compact, by a key of a
 * given set. Nothing is fetched from anywhere.
 *
 * A token is accepted where all of this holds (RFC 8725 gives the reasons):
 * - It has at most JWT_MAX_BYTES: three parts in base64url as an encoder writes it, without
 *   padding, white space or anything behind.
 * - Header and claims are JSON objects in which no member occurs twice.
 * - The header has no `crit` and no `b64`; `typ` is missing, "JWT" or "at+jwt". Keys in the header
 *   (`jwk`, `jku`, `x5c`, `x5u`) mean nothing.
 * - Its issuer and audience are those of one of the trusts; `aud` may be a list that has it.
 * - `kid` names a key of that trust. Without `kid` the trust must have one key only.
 * - `alg` is the algorithm of that key (jwt_keys.h), and the signature is the key's.
 * - `exp` is there and not over; `nbf` and `iat`, where they are there, are not in the future. Each
 *   may be off by the leeway of the trust.
 *
 * Encrypted and nested tokens are not accepted. Claims are returned only after all of this was
 * checked. Any thread; no state. */
#ifndef JWT_JWT_H
#define JWT_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "jwt_keys.h"

#define JWT_MAX_BYTES 16384

/* All borrowed. Several trusts may have one issuer, or one audience, but not both. */
struct jwt_trust {
    const char *issuer;
    const char *audience;
    const struct jwt_keys *keys;
    int64_t leeway_s;
};

enum jwt_verdict {
    JWT_GOOD,
    JWT_TOO_LARGE,
    JWT_MALFORMED, /* not three parts in base64url, or not JSON objects with members as they must be
                    */
    JWT_HEADER,    /* `crit`, `b64`, or a `typ` of another purpose */
    JWT_NOT_TRUSTED, /* no trust has its issuer and audience */
    JWT_KEY,         /* no key has its kid, or it has none and there are several keys */
    JWT_ALGORITHM,   /* `alg` is not the key's */
    JWT_SIGNATURE,
    JWT_NO_END, /* `exp` is missing */
    JWT_EXPIRED,
    JWT_NOT_YET, /* `nbf` or `iat` is in the future */
    JWT_VERDICTS
};

/* The meaning of a verdict, as a clause about the token without subject: "has expired". A literal
 * that may be told to whoever sent the token. */
const char *jwt_verdict_text(enum jwt_verdict verdict);

struct jwt {
    struct buf *claims;            /* owned: a JSON object that json_check accepted */
    const struct jwt_trust *trust; /* borrowed: one of those given */
    const char *kid;               /* borrowed from the trust's keys: the key's; "": it has none */
    int64_t end_s; /* since 1970: the first second in which it is no longer accepted */
};

/* Checks n bytes of a token at a time in seconds since 1970. On success fills *ret_jwt. */
enum jwt_verdict jwt_verify(const struct jwt_trust *trusts, size_t n_trusts, const char *token,
                            size_t n, int64_t now_s, struct jwt *ret_jwt);
/* Ignores a zeroed struct. */
void jwt_fini(struct jwt *jwt);

#endif
