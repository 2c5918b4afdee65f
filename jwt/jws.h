/* A signed text in compact form (RFC 7515): "HEADER.PAYLOAD.SIGNATURE". jwt.h says what is
 * accepted. Private to jwt. Any thread; no state. */
#ifndef JWT_JWS_H
#define JWT_JWS_H

#include "buf.h"
#include "jwk.h"
#include "jwt.h"
#include "str.h"

/* A token taken apart, of which nothing is proved before jws_verify. */
struct jws {
    const char *token;  /* borrowed */
    size_t n_signed;    /* the signature is over so many bytes of the token */
    struct buf *header; /* owned: checked JSON, an object */
    struct str payload; /* any bytes */
    struct str signature;
    struct str kid;
    bool has_kid;
};

/* JWT_TOO_LARGE, JWT_MALFORMED, JWT_HEADER. Fill and jws_fini a zeroed struct, whatever comes back.
 * Borrows the token until then. */
enum jwt_verdict jws_parse(const char *token, size_t n, struct jws *jws);
/* Checks the signature by the key that the header names, which is returned on success. JWT_KEY,
 * JWT_ALGORITHM, JWT_SIGNATURE. */
enum jwt_verdict jws_verify(const struct jws *jws, const struct jwt_keys *keys,
                            const struct jwk **ret_key);
void jws_fini(struct jws *jws);

#endif
