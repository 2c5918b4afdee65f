#include "jwt_issuers.h"

#include <string.h>

#include "json.h"
#include "jwt_claims.h"
#include "utf8.h"

#define US_A_SECOND 1000000

/* ---- Identities ---- */

static struct jwt_identity *jwt_identity_ref(struct jwt_identity *identity)
{
    atomic_fetch_add_explicit(&identity->refs, 1, memory_order_relaxed);
    return identity;
}

void jwt_identity_unref(struct jwt_identity *identity)
{
    if (identity == NULL ||
        atomic_fetch_sub_explicit(&identity->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    explicit_bzero(identity->token->data, identity->token->len);
    buf_unref(identity->token);
    free(identity->name);
    free(identity->id);
    free(identity->items);
    free(identity);
}

/* The principal's name: a text that name_check accepts, but for '/', which subjects have. NULL: the
 * claim is missing, or no such text. */
static char *name_of(const struct jwt_issuer *issuer, struct json_text claims)
{
    struct json_text value;
    AUTO_STR name = {0};
    str_add_text(&name, issuer->name_prefix);
    size_t n_prefix = name.len;
    if (!jwt_claim_find(claims, issuer->name_claim, &value) || !jwt_text(value, &name) ||
        name.len == n_prefix || name.len > NAME_MAX_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7F) {
            return NULL;
        }
    }
    return MOVE(name.data);
}

static char *id_of(const char *name, const char *kid)
{
    AUTO_STR id = {0};
    str_addf(&id, kid[0] == '\0' ? "%s" : "%s+%s", name, kid);
    return MOVE(id.data);
}

/* The grants of all rules that hold. */
static void collect_grants(const struct jwt_issuer *issuer, struct json_text claims,
                           struct jwt_identity *identity)
{
    size_t n = 0;
    for (size_t i = 0; i < issuer->n_rules; i++) {
        const struct jwt_rule *rule = &issuer->rules[i];
        if (rule->grants.n == 0 || !jwt_claim_has(claims, rule->claim, rule->value)) {
            continue;
        }
        identity->items = mem_grow(identity->items, n + rule->grants.n, sizeof(struct grant));
        memcpy(identity->items + n, rule->grants.items, rule->grants.n * sizeof(struct grant));
        n += rule->grants.n;
    }
    identity->grants = (struct grants){identity->items, n};
}

static struct jwt_identity *make(const struct jwt_issuers *issuers, const struct jwt *jwt,
                                 const char *token, size_t n, const struct hash *hash)
{
    const struct jwt_issuer *issuer = &issuers->items[jwt->trust - issuers->trusts];
    struct json_text claims = json_of_buf(jwt->claims);
    char *name = name_of(issuer, claims);
    if (name == NULL) {
        return NULL;
    }
    struct jwt_identity *identity = mem_zalloc(sizeof *identity);
    atomic_init(&identity->refs, 1);
    identity->hash = *hash;
    identity->token = buf_copy(token, n);
    identity->name = name;
    identity->id = id_of(name, jwt->kid);
    identity->expires_us = jwt->end_s * US_A_SECOND;
    collect_grants(issuer, claims, identity);
    return identity;
}

static bool verify(struct jwt_issuers *issuers, const char *token, size_t n,
                   const struct hash *hash, int64_t now_us, struct jwt_identity **ret_identity,
                   struct jwt_refusal *ret_refusal)
{
    struct jwt jwt = {.claims = NULL};
    enum jwt_verdict verdict =
        jwt_verify(issuers->trusts, issuers->n, token, n, now_us / US_A_SECOND, &jwt);
    metric_add(&issuers->verified, 1);
    if (verdict != JWT_GOOD) {
        *ret_refusal = (struct jwt_refusal){verdict == JWT_EXPIRED, jwt_verdict_text(verdict)};
        return false;
    }
    struct jwt_identity *made = make(issuers, &jwt, token, n, hash);
    jwt_fini(&jwt);
    if (made == NULL) {
        *ret_refusal = (struct jwt_refusal){false, "has no name that can be used"};
        return false;
    }
    *ret_identity = made;
    return true;
}

/* ---- Keeping them ---- */

static bool has_hash(const void *item, const void *key)
{
    const struct jwt_identity *identity = item;
    return secret_equal(&identity->hash, key, HASH_SIZE);
}

/* Under the lock. */
static void forget(struct jwt_issuers *issuers, struct jwt_identity *identity)
{
    table_remove(&issuers->kept, hash_short(&identity->hash), has_hash, &identity->hash);
    TAILQ_REMOVE(&issuers->by_use, identity, in_kept);
    issuers->kept_bytes -= identity->token->len;
    jwt_identity_unref(identity);
}

static struct jwt_identity *find(struct jwt_issuers *issuers, const struct hash *hash)
{
    pthread_mutex_lock(&issuers->lock);
    struct jwt_identity *found = table_find(&issuers->kept, hash_short(hash), has_hash, hash);
    if (found != NULL) {
        TAILQ_REMOVE(&issuers->by_use, found, in_kept);
        TAILQ_INSERT_HEAD(&issuers->by_use, found, in_kept);
        jwt_identity_ref(found);
    }
    pthread_mutex_unlock(&issuers->lock);
    return found;
}

/* Another thread may have verified the same token meanwhile: the newer one replaces the older. */
static void keep(struct jwt_issuers *issuers, struct jwt_identity *identity)
{
    pthread_mutex_lock(&issuers->lock);
    struct jwt_identity *old =
        table_find(&issuers->kept, hash_short(&identity->hash), has_hash, &identity->hash);
    if (old != NULL) {
        forget(issuers, old);
    }
    table_put(&issuers->kept, hash_short(&identity->hash), has_hash, &identity->hash,
              jwt_identity_ref(identity));
    TAILQ_INSERT_HEAD(&issuers->by_use, identity, in_kept);
    issuers->kept_bytes += identity->token->len;
    while (issuers->kept.n > JWT_KEPT_MAX || issuers->kept_bytes > JWT_KEPT_MAX_BYTES) {
        forget(issuers, TAILQ_LAST(&issuers->by_use, jwt_identity_list));
    }
    pthread_mutex_unlock(&issuers->lock);
}

size_t jwt_issuers_kept(struct jwt_issuers *issuers)
{
    pthread_mutex_lock(&issuers->lock);
    size_t n = issuers->kept.n;
    pthread_mutex_unlock(&issuers->lock);
    return n;
}

size_t jwt_issuers_keys(const struct jwt_issuers *issuers)
{
    size_t n = 0;
    for (size_t i = 0; i < issuers->n; i++) {
        n += jwt_keys_count(issuers->trusts[i].keys);
    }
    return n;
}

bool jwt_issuers_identify(struct jwt_issuers *issuers, const char *token, size_t n,
                          const struct hash *hash, int64_t now_us,
                          struct jwt_identity **ret_identity, struct jwt_refusal *ret_refusal)
{
    AUTO(jwt_identity_unref) struct jwt_identity *identity = find(issuers, hash);
    if (identity == NULL) {
        if (!verify(issuers, token, n, hash, now_us, &identity, ret_refusal)) {
            return false;
        }
        keep(issuers, identity);
    } else if (identity->expires_us <= now_us) {
        *ret_refusal = (struct jwt_refusal){true, jwt_verdict_text(JWT_EXPIRED)};
        return false;
    }
    *ret_identity = MOVE(identity);
    return true;
}

/* ---- Start and end ---- */

struct jwt_issuers *jwt_issuers_new(void)
{
    struct jwt_issuers *issuers = mem_zalloc(sizeof *issuers);
    pthread_mutex_init(&issuers->lock, NULL);
    TAILQ_INIT(&issuers->by_use);
    return issuers;
}

void jwt_issuers_free(struct jwt_issuers *issuers)
{
    if (issuers == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&issuers->by_use)) {
        forget(issuers, TAILQ_FIRST(&issuers->by_use));
    }
    for (size_t i = 0; i < issuers->n; i++) {
        /* Owned here, though trusts borrow. */
        jwt_keys_free((struct jwt_keys *)(uintptr_t)issuers->trusts[i].keys);
    }
    table_fini(&issuers->kept);
    pthread_mutex_destroy(&issuers->lock);
    free(issuers);
}
