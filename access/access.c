#include "access.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "access_file.h"
#include "bearer.h"
#include "caller_inside.h"
#include "clock.h"
#include "expiries.h"
#include "file_watch.h"
#include "jwt_issuers.h"
#include "log.h"
#include "metrics.h"

/* Rights that change and credentials that expire count within a second: a change of the file is
 * seen after two looks at most, and read after one more. */
#define LOOK_MS 200
#define USES_SHOWN 1000 /* tokens whose last use is on a page of metrics */

enum access_refusal { REFUSED_MISSING, REFUSED_INVALID, REFUSED_EXPIRED, REFUSED_GATEWAY };
#define REFUSALS (REFUSED_GATEWAY + 1)

static const char *const refusal_names[REFUSALS] = {
    [REFUSED_MISSING] = "missing",
    [REFUSED_INVALID] = "invalid",
    [REFUSED_EXPIRED] = "expired",
    [REFUSED_GATEWAY] = "not_a_gateway",
};

struct access {
    char *file; /* owned; NULL: none */
    struct grant anonymous_grant;
    struct grants anonymous; /* none, or anonymous_grant */
    bool has_anonymous;
    void (*in_force)(void *user, const struct hash *file); /* access_options */
    void *user;
    atomic_uint_fast64_t generation;
    pthread_mutex_t lock;
    struct principals *principals; /* under the lock; what it points at is immutable */
    struct file_watch *watch;      /* NULL: without a file */
    bool warned_open;              /* the next two: the thread of watch */
    int64_t next_expiry_us;
    struct expiries jwt_expiries; /* of tokens that no list has */
    struct metric refused[REFUSALS];
    struct metric reloads, reload_failures;
    atomic_bool stale;            /* the file could not be read again */
    atomic_int_least64_t read_us; /* when the rights in force were read */
};

static struct principals *in_force(struct access *access)
{
    pthread_mutex_lock(&access->lock);
    struct principals *principals = principals_ref(access->principals);
    pthread_mutex_unlock(&access->lock);
    return principals;
}

/* ---- Reading the file ---- */

static void warn_if_open(struct access *access, bool is_open)
{
    if (is_open && !access->warned_open) {
        log_event(LOG_WARNING, "access_file_open", "file", access->file, "message",
                  "every user of this machine can read the access file", NULL);
    }
    access->warned_open = is_open;
}

static bool read_file(struct access *access, struct principals **ret_principals,
                      struct hash *ret_hash, struct status *st)
{
    bool is_open = false;
    if (!access_file_read(access->file, ret_principals, &is_open, ret_hash, st)) {
        return status_context(st, "--access %s", access->file);
    }
    warn_if_open(access, is_open);
    return true;
}

/* Takes over when tokens were last used. */
static void inherit_uses(const struct principals *old, const struct principals *new)
{
    for (size_t i = 0; i < old->n_tokens; i++) {
        uint_least32_t used =
            atomic_load_explicit(&old->tokens[i].last_use_s, memory_order_relaxed);
        struct principal_token *same =
            used == 0 ? NULL : principals_find_token(new, &old->tokens[i].hash);
        if (same != NULL) {
            atomic_store_explicit(&same->last_use_s, used, memory_order_relaxed);
        }
    }
}

/* The access file, and those of keys. */
static void list_files(const struct access *access, const struct principals *principals,
                       const char *paths[FILE_WATCH_MAX])
{
    size_t n = principals->jwt == NULL ? 0 : principals->jwt->n;
    static_assert(1 + JWT_ISSUERS_MAX <= FILE_WATCH_MAX, "all files can be watched");
    paths[0] = access->file;
    for (size_t i = 0; i < n; i++) {
        paths[1 + i] = principals->jwt->items[i].keys_file;
    }
}

/* file: the hash of the bytes that say so; without a file it means nothing. */
static void put_in_force(struct access *access, struct principals *principals,
                         const struct hash *file)
{
    int64_t now_us = clock_wall_us();
    access->next_expiry_us = principals_next_expiry(principals, now_us);
    atomic_store(&access->read_us, now_us);
    pthread_mutex_lock(&access->lock);
    struct principals *old = access->principals;
    access->principals = principals;
    pthread_mutex_unlock(&access->lock);
    atomic_fetch_add(&access->generation, 1);
    principals_unref(old);
    if (access->in_force != NULL && access->file != NULL) {
        access->in_force(access->user, file);
    }
}

static void changed(void *user)
{
    struct access *access = user;
    struct principals *principals = NULL;
    struct hash hash;
    struct status st;
    bool ok = read_file(access, &principals, &hash, &st);
    atomic_store(&access->stale, !ok);
    metric_add(ok ? &access->reloads : &access->reload_failures, 1);
    if (!ok) {
        log_event(LOG_ERROR, "access_kept", "reason", st.reason, "message", st.message, NULL);
        return;
    }
    inherit_uses(access->principals, principals); /* only this thread replaces them */
    const char *paths[FILE_WATCH_MAX] = {NULL};
    list_files(access, principals, paths);
    file_watch_set(access->watch, paths);
    put_in_force(access, principals, &hash);
    log_event(LOG_INFO, "access_reloaded", "file", access->file, NULL);
}

static void tick(void *user)
{
    struct access *access = user;
    int64_t now_us = clock_wall_us();
    bool passed = expiries_pass(&access->jwt_expiries, now_us);
    if (now_us >= access->next_expiry_us) {
        access->next_expiry_us = principals_next_expiry(access->principals, now_us);
        passed = true;
    }
    if (passed) {
        atomic_fetch_add(&access->generation, 1);
    }
}

bool access_open(const struct access_options *options, struct access **ret_access,
                 struct status *st)
{
    struct access *access = mem_zalloc(sizeof *access);
    access->has_anonymous = options->has_anonymous;
    access->anonymous_grant.role = options->anonymous;
    access->anonymous = (struct grants){&access->anonymous_grant, 1};
    access->file = options->file == NULL ? NULL : mem_string(options->file);
    pthread_mutex_init(&access->lock, NULL);
    access->in_force = options->in_force;
    access->user = options->user;
    struct principals *principals = NULL;
    struct hash hash = {.bytes = {0}};
    if (options->file == NULL) {
        principals = principals_new();
    } else if (!read_file(access, &principals, &hash, st)) {
        access_close(access);
        return false;
    }
    put_in_force(access, principals, &hash);
    if (options->file != NULL) {
        struct file_watch_options watch = {
            .changed = changed, .tick = tick, .interval_ms = LOOK_MS, .user = access};
        list_files(access, access->principals, watch.paths);
        access->watch = file_watch_start(&watch);
    }
    *ret_access = access;
    return true;
}

void access_close(struct access *access)
{
    if (access == NULL) {
        return;
    }
    file_watch_stop(access->watch);
    principals_unref(access->principals);
    pthread_mutex_destroy(&access->lock);
    free(access->file);
    free(access);
}

void access_reload(struct access *access)
{
    if (access->watch != NULL) {
        file_watch_poke(access->watch);
    }
}

bool access_is_open(const struct access *access)
{
    return access->file == NULL && access->has_anonymous &&
           access->anonymous_grant.role == ROLE_SUPER_ADMIN;
}

uint64_t access_generation(const struct access *access)
{
    return atomic_load_explicit(&access->generation, memory_order_acquire);
}

/* ---- Refusing ---- */

static bool refuse(struct access *access, enum access_refusal refusal, struct status *st)
{
    metric_add(&access->refused[refusal], 1);
    switch (refusal) {
    case REFUSED_MISSING:
        return status_set(st, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING",
                          "the call needs a bearer token or a client certificate");
    case REFUSED_INVALID:
        return status_set(st, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID",
                          "the credential is nobody's");
    case REFUSED_EXPIRED:
        return status_set(st, STATUS_UNAUTHENTICATED, "CREDENTIALS_EXPIRED",
                          "the credential has expired");
    case REFUSED_GATEWAY:
        break;
    }
    return status_set(st, STATUS_PERMISSION_DENIED, "NOT_A_GATEWAY",
                      "only a caller with the role gateway may speak for others");
}

/* ---- Identifying ---- */

/* A credential that can be nobody's, as it has no form of a token. */
static bool refuse_form(struct access *access, const char *why, struct status *st)
{
    refuse(access, REFUSED_INVALID, st);
    snprintf(st->message, sizeof st->message, "%s", why);
    return false;
}

static bool read_bearer(struct access *access, const char *value, size_t n, struct proof *ret_proof,
                        struct status *st)
{
    const char *token;
    size_t n_token;
    if (!bearer_parse(value, n, &token, &n_token)) {
        return refuse_form(access, "the credential must be \"Bearer TOKEN\"", st);
    }
    if (bearer_token_looks(token, n_token)) {
        ret_proof->kind = CREDENTIAL_TOKEN;
    } else if (memchr(token, '.', n_token) != NULL) {
        *ret_proof = (struct proof){.kind = CREDENTIAL_JWT, .jwt = token, .n_jwt = n_token};
    } else {
        return refuse_form(access,
                           "the token is neither one that `confregd access token` makes, cfr_ and "
                           "49 characters, nor a JSON Web Token",
                           st);
    }
    ret_proof->token = bearer_token_hash(token, n_token);
    return true;
}

static void set_certificate(struct proof *proof, const char *name)
{
    if (name != NULL && name[0] != '\0') {
        *proof = (struct proof){.kind = CREDENTIAL_CERTIFICATE, .certificate = name};
    }
}

/* The credential of whoever speaks for the caller, if somebody may. */
static bool read_gateway(struct access *access, const struct credentials *given,
                         struct proof *ret_proof, struct status *st)
{
    if (given->gateway_authorization != NULL) {
        return read_bearer(access, given->gateway_authorization, given->n_gateway_authorization,
                           ret_proof, st);
    }
    if (given->on_behalf != NULL) {
        set_certificate(ret_proof, given->certificate);
        return ret_proof->kind != CREDENTIAL_NONE || refuse(access, REFUSED_GATEWAY, st);
    }
    return true;
}

static bool read_own(struct access *access, const struct credentials *given,
                     struct proof *ret_proof, struct status *st)
{
    if (given->authorization != NULL) {
        return read_bearer(access, given->authorization, given->n_authorization, ret_proof, st);
    }
    bool of_gateway = given->on_behalf != NULL || given->gateway_authorization != NULL;
    set_certificate(ret_proof, of_gateway ? given->on_behalf : given->certificate);
    return true;
}

static void note_use(struct principal_token *token, int64_t now_us)
{
    uint_least32_t now_s = (uint_least32_t)(now_us / 1000000);
    if (atomic_load_explicit(&token->last_use_s, memory_order_relaxed) != now_s) {
        atomic_store_explicit(&token->last_use_s, now_s, memory_order_relaxed);
    }
}

static void set_earlier(int64_t *expires_us, int64_t other_us)
{
    *expires_us = other_us < *expires_us ? other_us : *expires_us;
}

static bool prove_certificate(struct access *access, const struct principals *principals,
                              struct proof *proof, struct principal *ret_principal,
                              struct status *st)
{
    const struct principal_certificate *found =
        principals_find_certificate(principals, proof->certificate);
    if (found == NULL) {
        return refuse(access, REFUSED_INVALID, st);
    }
    proof->certificate = found->name;
    *ret_principal = principals->items[found->principal];
    return true;
}

static bool prove_jwt(struct access *access, const struct principals *principals,
                      struct proof *proof, struct principal *ret_principal, int64_t *expires_us,
                      struct status *st)
{
    struct jwt_refusal refusal = {.why = "is of no use: there is no issuer"};
    int64_t now_us = clock_wall_us();
    if (principals->jwt == NULL ||
        !jwt_issuers_identify(principals->jwt, proof->jwt, proof->n_jwt, &proof->token, now_us,
                              &proof->identity, &refusal)) {
        refuse(access, refusal.has_expired ? REFUSED_EXPIRED : REFUSED_INVALID, st);
        snprintf(st->message, sizeof st->message, "the JSON Web Token %s", refusal.why);
        return false;
    }
    const struct jwt_identity *identity = proof->identity;
    proof->jwt = (const char *)identity->token->data;
    expiries_add(&access->jwt_expiries, identity->expires_us, now_us);
    set_earlier(expires_us, identity->expires_us);
    *ret_principal = (struct principal){.name = identity->name, .grants = identity->grants};
    return true;
}

static bool prove_token(struct access *access, const struct principals *principals,
                        const struct proof *proof, struct principal *ret_principal,
                        int64_t *expires_us, struct status *st)
{
    struct principal_token *token = principals_find_token(principals, &proof->token);
    if (token == NULL) {
        return refuse(access, REFUSED_INVALID, st);
    }
    int64_t now_us = clock_wall_us();
    if (token->expires_us <= now_us) {
        return refuse(access, REFUSED_EXPIRED, st);
    }
    note_use(token, now_us);
    set_earlier(expires_us, token->expires_us);
    *ret_principal = principals->items[token->principal];
    return true;
}

/* Whose credential it is. Lets proof point at what lives as long as the caller. */
static bool prove(struct access *access, const struct principals *principals, struct proof *proof,
                  struct principal *ret_principal, int64_t *expires_us, struct status *st)
{
    switch (proof->kind) {
    case CREDENTIAL_TOKEN:
        return prove_token(access, principals, proof, ret_principal, expires_us, st);
    case CREDENTIAL_CERTIFICATE:
        return prove_certificate(access, principals, proof, ret_principal, st);
    case CREDENTIAL_JWT:
        return prove_jwt(access, principals, proof, ret_principal, expires_us, st);
    case CREDENTIAL_NONE:
        break;
    }
    return refuse(access, REFUSED_MISSING, st);
}

static bool check_gateway(struct access *access, struct caller *caller, struct status *st)
{
    struct principal principal;
    return caller->gateway.kind == CREDENTIAL_NONE ||
           (prove(access, caller->principals, &caller->gateway, &principal, &caller->expires_us,
                  st) &&
            (grants_may_somewhere(principal.grants, PERMISSION_DELEGATE) ||
             refuse(access, REFUSED_GATEWAY, st)));
}

static bool become_anonymous(struct access *access, struct caller *caller)
{
    caller->is_anonymous = true;
    caller->grants = access->anonymous;
    if (caller->own.kind == CREDENTIAL_CERTIFICATE) {
        caller->stranger = mem_string(caller->own.certificate);
        caller->own.certificate = caller->stranger;
        caller->name = caller->stranger;
    }
    return true;
}

static bool check_own(struct access *access, struct caller *caller, struct status *st)
{
    bool known = caller->own.kind == CREDENTIAL_TOKEN || caller->own.kind == CREDENTIAL_JWT ||
                 (caller->own.kind == CREDENTIAL_CERTIFICATE &&
                  principals_find_certificate(caller->principals, caller->own.certificate) != NULL);
    if (!known && access->has_anonymous) {
        return become_anonymous(access, caller);
    }
    struct principal principal;
    if (!prove(access, caller->principals, &caller->own, &principal, &caller->expires_us, st)) {
        return false;
    }
    caller->name = principal.name;
    caller->grants = principal.grants;
    if (caller->own.kind == CREDENTIAL_TOKEN) {
        bearer_token_id(&caller->own.token, caller->token_id);
    }
    return true;
}

static bool identify(struct access *access, const struct proof *own, const struct proof *gateway,
                     struct caller **ret_caller, struct status *st)
{
    uint64_t generation = access_generation(access); /* before the rights that it stands for */
    AUTO(caller_unref) struct caller *caller = caller_new(in_force(access));
    caller->generation = generation;
    caller->own = *own;
    caller->own.identity = NULL; /* of the caller before, where one is renewed */
    caller->gateway = *gateway;
    caller->gateway.identity = NULL;
    if (!check_gateway(access, caller, st) || !check_own(access, caller, st)) {
        return false;
    }
    *ret_caller = MOVE(caller);
    return true;
}

bool access_identify(struct access *access, const struct credentials *credentials,
                     struct caller **ret_caller, struct status *st)
{
    struct proof own = {.kind = CREDENTIAL_NONE};
    struct proof gateway = {.kind = CREDENTIAL_NONE};
    if (access->file == NULL) {
        set_certificate(&own, credentials->certificate);
        return identify(access, &own, &gateway, ret_caller, st);
    }
    return read_gateway(access, credentials, &gateway, st) &&
           read_own(access, credentials, &own, st) &&
           identify(access, &own, &gateway, ret_caller, st);
}

bool access_renew(struct access *access, const struct caller *old, struct caller **ret_caller,
                  struct status *st)
{
    return identify(access, &old->own, &old->gateway, ret_caller, st);
}

/* ---- Metrics ---- */

struct metrics_page {
    const char *prefix;
    struct str *out;
    char name[96];
};

static const char *named(struct metrics_page *page, const char *name)
{
    snprintf(page->name, sizeof page->name, "%s_access_%s", page->prefix, name);
    return page->name;
}

static void show_refusals(struct access *access, struct metrics_page *page)
{
    metrics_family(page->out, named(page, "refused_total"), METRIC_COUNTER,
                   "Calls whose credentials were refused, by the reason.");
    for (size_t i = 0; i < REFUSALS; i++) {
        const struct metric_labels labels = {{{"reason", refusal_names[i]}}};
        metrics_sample(page->out, page->name, &labels, (double)metric_value(&access->refused[i]));
    }
}

static void show_uses(const struct principals *principals, struct metrics_page *page)
{
    size_t left = USES_SHOWN;
    metrics_family(page->out, named(page, "token_last_use_timestamp_seconds"), METRIC_GAUGE,
                   "When a token was last used, by the first digits of its SHA-256; of tokens that "
                   "were used since the start, 1,000 at most.");
    for (size_t i = 0; i < principals->n_tokens && left > 0; i++) {
        const struct principal_token *token = &principals->tokens[i];
        uint_least32_t used = atomic_load_explicit(&token->last_use_s, memory_order_relaxed);
        if (used != 0) {
            char id[BEARER_ID_DIGITS + 1];
            bearer_token_id(&token->hash, id);
            const struct metric_labels labels = {{{"token", id}}};
            metrics_sample(page->out, page->name, &labels, used);
            left--;
        }
    }
}

void access_metrics(struct access *access, const char *prefix, struct str *out)
{
    struct metrics_page page = {.prefix = prefix, .out = out};
    show_refusals(access, &page);
    if (access->file == NULL) {
        return;
    }
    AUTO(principals_unref) struct principals *principals = in_force(access);
    metrics_one(out, named(&page, "principals"), METRIC_GAUGE, "Principals in the access file.",
                (double)principals->n);
    metrics_one(out, named(&page, "tokens"), METRIC_GAUGE, "Tokens in the access file.",
                (double)principals->n_tokens);
    if (principals->jwt != NULL) {
        metrics_one(out, named(&page, "jwt_verified_total"), METRIC_COUNTER,
                    "JSON Web Tokens that were verified since the file was read.",
                    (double)metric_value(&principals->jwt->verified));
        metrics_one(out, named(&page, "jwt_keys"), METRIC_GAUGE,
                    "Keys that JSON Web Tokens are verified by.",
                    (double)jwt_issuers_keys(principals->jwt));
        metrics_one(out, named(&page, "jwt_kept"), METRIC_GAUGE,
                    "Verified JSON Web Tokens that are kept.",
                    (double)jwt_issuers_kept(principals->jwt));
    }
    metrics_one(out, named(&page, "reloads_total"), METRIC_COUNTER,
                "How often the access file was read again.",
                (double)metric_value(&access->reloads));
    metrics_one(out, named(&page, "reload_failures_total"), METRIC_COUNTER,
                "How often the access file could not be used when it was read again.",
                (double)metric_value(&access->reload_failures));
    metrics_one(out, named(&page, "file_in_force"), METRIC_GAUGE,
                "0: the access file cannot be used, an older one is in force.",
                atomic_load(&access->stale) ? 0 : 1);
    metrics_one(out, named(&page, "read_timestamp_seconds"), METRIC_GAUGE,
                "When the rights in force were read.", (double)atomic_load(&access->read_us) / 1e6);
    show_uses(principals, &page);
}
