#include "caller_inside.h"

#include "jwt_issuers.h"

const char *credential_kind_name(enum credential_kind kind)
{
    static const char *const names[] = {
        [CREDENTIAL_NONE] = "none",
        [CREDENTIAL_TOKEN] = "token",
        [CREDENTIAL_CERTIFICATE] = "certificate",
        [CREDENTIAL_JWT] = "jwt",
    };
    return names[kind];
}

struct caller *caller_new(struct principals *principals)
{
    struct caller *caller = mem_zalloc(sizeof *caller);
    atomic_init(&caller->refs, 1);
    caller->principals = principals;
    caller->name = "";
    caller->expires_us = CALLER_EXPIRES_NEVER;
    return caller;
}

/* Callers are shared as constants; their count is not what is constant. */
static struct caller *counted(const struct caller *caller)
{
    return (struct caller *)(uintptr_t)caller;
}

struct caller *caller_ref(const struct caller *caller)
{
    atomic_fetch_add_explicit(&counted(caller)->refs, 1, memory_order_relaxed);
    return counted(caller);
}

void caller_unref(const struct caller *caller)
{
    if (caller == NULL ||
        atomic_fetch_sub_explicit(&counted(caller)->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    jwt_identity_unref(caller->own.identity);
    jwt_identity_unref(caller->gateway.identity);
    principals_unref(caller->principals); /* what identities point at is there */
    free(caller->stranger);
    free(counted(caller));
}

const char *caller_name(const struct caller *caller)
{
    return caller->name;
}

enum credential_kind caller_credential_kind(const struct caller *caller)
{
    return caller->own.kind;
}

const char *caller_credential_id(const struct caller *caller)
{
    switch (caller->own.kind) {
    case CREDENTIAL_CERTIFICATE:
        return caller->own.certificate;
    case CREDENTIAL_JWT:
        return caller->own.identity->id;
    case CREDENTIAL_NONE:
    case CREDENTIAL_TOKEN:
        break;
    }
    return caller->token_id;
}

bool caller_is_anonymous(const struct caller *caller)
{
    return caller->is_anonymous;
}

int64_t caller_expires_us(const struct caller *caller)
{
    return caller->expires_us;
}

uint64_t caller_generation(const struct caller *caller)
{
    return caller->generation;
}

bool caller_has_gateway(const struct caller *caller)
{
    return caller->gateway.kind != CREDENTIAL_NONE;
}

struct grants caller_grants(const struct caller *caller)
{
    return caller->grants;
}

bool caller_may(const struct caller *caller, enum permission permission, const char *environment,
                const char *service)
{
    return grants_may(caller->grants, permission, environment, service);
}

bool caller_may_somewhere(const struct caller *caller, enum permission permission)
{
    return grants_may_somewhere(caller->grants, permission);
}
