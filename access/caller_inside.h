/* Private to access: how a caller is made. */
#ifndef ACCESS_CALLER_INSIDE_H
#define ACCESS_CALLER_INSIDE_H

#include "bearer.h"
#include "caller.h"
#include "principals.h"

struct jwt_identity;

/* A credential that was shown. */
struct proof {
    enum credential_kind kind;
    struct hash token;       /* of CREDENTIAL_TOKEN and CREDENTIAL_JWT */
    const char *certificate; /* the name, of CREDENTIAL_CERTIFICATE */
    const char *jwt;         /* of CREDENTIAL_JWT, n_jwt bytes; once proved, identity's */
    size_t n_jwt;
    struct jwt_identity *identity; /* of CREDENTIAL_JWT once proved; owned by the caller then */
};

struct caller {
    atomic_uint refs;
    struct principals *principals; /* a reference: own's rights and most texts here are there */
    struct proof own;
    struct proof gateway; /* of the gateway that speaks for the caller; CREDENTIAL_NONE: none */
    const char *name;
    char *stranger; /* owned: the name in a certificate that no principal has; NULL: none */
    bool is_anonymous;
    struct grants grants;
    char token_id[BEARER_ID_DIGITS + 1];
    int64_t expires_us;
    uint64_t generation;
};

/* With one reference, which is the caller's. principals: moved. The rest is zeroed. */
struct caller *caller_new(struct principals *principals);

#endif
