/* A caller: who makes a call, how he has proven it, and what he may.
 *
 * Immutable and reference-counted; any thread. A caller holds the rights that were in force when he
 * was identified: who keeps one for longer than a call renews it (access_renew) whenever
 * access_generation has moved. */
#ifndef ACCESS_CALLER_H
#define ACCESS_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "grants.h"
#include "mem.h"

struct caller;

enum credential_kind {
    CREDENTIAL_NONE, /* anonymous */
    CREDENTIAL_TOKEN,
    CREDENTIAL_CERTIFICATE,
    CREDENTIAL_JWT,
};
/* "none", "token", "certificate", "jwt". */
const char *credential_kind_name(enum credential_kind kind);

struct caller *caller_ref(const struct caller *caller);
/* NULL is ignored. */
void caller_unref(const struct caller *caller);

static inline void caller_unref_cleanup(struct caller **caller)
{
    caller_unref(*caller);
}

/* The principal's name; of an anonymous caller the name in his certificate, which no principal has,
 * or "". Borrowed from the caller, as all texts here. */
const char *caller_name(const struct caller *caller);
enum credential_kind caller_credential_kind(const struct caller *caller);
/* Which credential it was: the first 12 hexadecimal digits of a token's SHA-256, the name in the
 * certificate, or "NAME+KID" of a JSON Web Token; "" where there was none. Never a secret. */
const char *caller_credential_id(const struct caller *caller);
/* Whether the caller is no principal, and has the anonymous role. */
bool caller_is_anonymous(const struct caller *caller);
/* When the credential expires, on clock_wall_us(); CALLER_EXPIRES_NEVER. */
#define CALLER_EXPIRES_NEVER INT64_MAX
int64_t caller_expires_us(const struct caller *caller);
/* access_generation when the caller was identified. */
uint64_t caller_generation(const struct caller *caller);
/* Whether a gateway speaks for this caller (struct credentials: on_behalf). */
bool caller_has_gateway(const struct caller *caller);

struct grants caller_grants(const struct caller *caller);
/* As grants_may and the rest of grants.h, of the caller's grants. */
bool caller_may(const struct caller *caller, enum permission permission, const char *environment,
                const char *service);
bool caller_may_somewhere(const struct caller *caller, enum permission permission);

#endif
