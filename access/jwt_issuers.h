/* The issuers of JSON Web Tokens that the access file trusts, and what their claims give. Private
 * to access.
 *
 * A token that was verified is kept until it expires, so that it is verified once. What is kept is
 * bounded by JWT_KEPT_MAX and JWT_KEPT_MAX_BYTES; those not used for longest go first. It belongs
 * to these issuers: a file that is read again starts anew.
 *
 * Built by one thread; then any thread. */
#ifndef ACCESS_JWT_ISSUERS_H
#define ACCESS_JWT_ISSUERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "arena.h"
#include "grants.h"
#include "hash.h"
#include "jwt.h"
#include "metrics.h"
#include "table.h"

#define JWT_ISSUERS_MAX 15 /* with the access file as many files as are watched at a time */
#define JWT_KEPT_MAX 10000
#define JWT_KEPT_MAX_BYTES ((size_t)32 << 20)
#define JWT_LEEWAY_DEFAULT_S 60
#define JWT_LEEWAY_MAX_S 300

/* A caller with this value in this claim has these grants. */
struct jwt_rule {
    const char *claim, *value;
    struct grants grants;
};

/* Texts and rules are borrowed from the arena of the file. */
struct jwt_issuer {
    const char *keys_file;
    const char *name_claim; /* the principal's name: name_prefix, then this claim */
    const char *name_prefix;
    struct jwt_rule *rules;
    size_t n_rules;
};

/* A verified token, with what it gives. Reference-counted; immutable but for the list. */
struct jwt_identity {
    atomic_uint refs;
    struct hash hash;  /* of the token */
    struct buf *token; /* wiped in the end */
    char *name;        /* of the principal */
    char *id;          /* "SUB+KID", without KID where the key has none */
    struct grants grants;
    struct grant *items; /* of grants; owned. What they point at is the arena's */
    int64_t expires_us;
    TAILQ_ENTRY(jwt_identity) in_kept;
};
TAILQ_HEAD(jwt_identity_list, jwt_identity);

struct jwt_issuers {
    size_t n;
    struct jwt_trust trusts[JWT_ISSUERS_MAX]; /* the one of each item; their keys are owned */
    struct jwt_issuer items[JWT_ISSUERS_MAX];
    struct metric verified; /* tokens that were verified, not found */

    pthread_mutex_t lock;            /* of the rest */
    struct table kept;               /* of struct jwt_identity by hash */
    struct jwt_identity_list by_use; /* the last used first */
    size_t kept_bytes;               /* of their tokens */
};

struct jwt_issuers *jwt_issuers_new(void);
/* NULL is ignored. */
void jwt_issuers_free(struct jwt_issuers *issuers);

/* A token that is not accepted. */
struct jwt_refusal {
    bool has_expired;
    const char *why; /* a clause about the token, without subject; a literal */
};

/* The identity that a token proves; owned by the caller. hash: of the token. */
bool jwt_issuers_identify(struct jwt_issuers *issuers, const char *token, size_t n,
                          const struct hash *hash, int64_t now_us,
                          struct jwt_identity **ret_identity, struct jwt_refusal *ret_refusal);
/* How many verified tokens are kept, and how many keys there are. */
size_t jwt_issuers_kept(struct jwt_issuers *issuers);
size_t jwt_issuers_keys(const struct jwt_issuers *issuers);

/* NULL is ignored. */
void jwt_identity_unref(struct jwt_identity *identity);

MEM_CLEANUP(struct jwt_identity, jwt_identity_unref)

#endif
