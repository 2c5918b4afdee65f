/* The contents of an access file: who there is, what proves him, and what he may. Private to
 * access.
 *
 * Built by one thread, then immutable but for the times of last use, and reference-counted. Tokens
 * stand in one array, found by their hashes through an open-addressing table of places: about 70
 * bytes a token with the room that arrays grow by. */
#ifndef ACCESS_PRINCIPALS_H
#define ACCESS_PRINCIPALS_H

#include <stdatomic.h>

#include "arena.h"
#include "grants.h"
#include "hash.h"
#include "mem.h"
#include "table.h"

struct jwt_issuers;

#define EXPIRES_NEVER INT64_MAX

struct principal {
    const char *name;
    struct grants grants;
};

struct principal_token {
    struct hash hash;
    int64_t expires_us;               /* on clock_wall_us(); EXPIRES_NEVER */
    uint32_t principal;               /* its place */
    atomic_uint_least32_t last_use_s; /* since 1970; 0: not used since the program started */
};

/* Where a token is. */
struct token_place {
    uint32_t tag;  /* bytes of the hash that have not chosen the place: most others are told apart
                      without a look at them */
    uint32_t next; /* 1 + the place of the token; 0: free */
};

struct principal_certificate {
    const char *name; /* "spiffe://…", "dns:…", "cn:…" */
    uint32_t principal;
};

struct principals {
    atomic_uint refs;
    struct principal *items;
    size_t n, room;
    struct principal_token *tokens;
    size_t n_tokens, room_tokens;
    struct token_place *places;
    size_t n_places;           /* 0 or a power of two; at most three quarters are taken */
    struct table certificates; /* struct principal_certificate by name; owned by the arena */
    struct jwt_issuers *jwt;   /* owned; NULL: the file has none */
    struct arena arena;        /* of all that is pointed at */
};

/* With one reference, which is the caller's. */
struct principals *principals_new(void);
struct principals *principals_ref(struct principals *principals);
void principals_unref(struct principals *principals);

MEM_CLEANUP(struct principals, principals_unref)

/* ---- Building ---- */

/* Adds a principal without a name and grants; returns its place. */
uint32_t principals_add(struct principals *principals);
/* False: the token or the name is known already. name is copied. */
bool principals_add_token(struct principals *principals, uint32_t principal,
                          const struct hash *hash, int64_t expires_us);
bool principals_add_certificate(struct principals *principals, uint32_t principal, const char *name,
                                size_t n);

/* ---- Looking up; any thread ---- */

/* NULL: there is none. */
struct principal_token *principals_find_token(const struct principals *principals,
                                              const struct hash *hash);
/* NULL: nobody has it. */
const struct principal_certificate *principals_find_certificate(const struct principals *principals,
                                                                const char *name);
/* The first expiry of a token after now; EXPIRES_NEVER: none. Looks at all of them. */
int64_t principals_next_expiry(const struct principals *principals, int64_t now_us);

#endif
