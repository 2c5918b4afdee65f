#include "jwt_keys.h"

#include <openssl/crypto.h>
#include <string.h>

#include "buf.h"
#include "jwk.h"

struct jwt_keys {
    size_t n;
    struct jwk items[JWT_KEYS_MAX];
};

void jwt_keys_free(struct jwt_keys *keys)
{
    for (size_t i = 0; keys != NULL && i < keys->n; i++) {
        jwk_fini(&keys->items[i]);
    }
    free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->n;
}

const struct jwk *jwt_keys_find(const struct jwt_keys *keys, const char *kid)
{
    if (kid == NULL) {
        return keys->n == 1 ? &keys->items[0] : NULL;
    }
    for (size_t i = 0; i < keys->n; i++) {
        /* A kid is not empty, so it is not that of a key without one. */
        if (kid[0] != '\0' && strcmp(keys->items[i].kid, kid) == 0) {
            return &keys->items[i];
        }
    }
    return NULL;
}

static bool refuse(struct status *st, size_t position, const char *why)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS", "keys[%zu]: %s", position, why);
}

static bool add_key(struct jwt_keys *keys, size_t position, struct json_text json,
                    struct status *st)
{
    struct jwk key = {.kid = NULL};
    const char *why = NULL;
    switch (jwk_read(json, &key, &why)) {
    case JWK_SKIPPED:
        return true;
    case JWK_REFUSED:
        return refuse(st, position, why);
    case JWK_READ:
        break;
    }
    if (keys->n == JWT_KEYS_MAX) {
        jwk_fini(&key);
        return refuse(st, position, "there are more than 256 keys");
    }
    if (jwt_keys_find(keys, key.kid) != NULL) {
        jwk_fini(&key);
        return refuse(st, position, "another key has the same \"kid\"");
    }
    keys->items[keys->n++] = key;
    return true;
}

/* A token is to say by which of several keys it is signed. A set with public keys may be published,
 * one with secrets must not be: a mixture is a mistake. */
static bool check_all(const struct jwt_keys *keys, struct status *st)
{
    if (keys->n == 0) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS",
                          "there is no key for RS256, ES256, EdDSA or HS256");
    }
    size_t n_secrets = 0;
    for (size_t i = 0; i < keys->n; i++) {
        n_secrets += keys->items[i].secret != NULL ? 1 : 0;
        if (keys->n > 1 && keys->items[i].kid[0] == '\0') {
            return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS",
                              "one of several keys has no \"kid\"");
        }
    }
    if (n_secrets != 0 && n_secrets != keys->n) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS",
                          "there are secrets beside public keys");
    }
    return true;
}

static bool add_keys(struct jwt_keys *keys, struct json_text json, struct status *st)
{
    struct json_text list;
    struct json_text key;
    if (!json_find(json, "keys", &list) || json_type_of(list) != JSON_ARRAY) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS", "there is no list \"keys\"");
    }
    size_t i = 0;
    for (size_t position = 0; json_item(list, &position, &key); i++) {
        if (!add_key(keys, i, key, st)) {
            return false;
        }
    }
    return check_all(keys, st);
}

bool jwt_keys_parse(const char *text, size_t n, struct jwt_keys **ret_keys, struct status *st)
{
    static const struct json_limits limits = {.max_bytes = JWT_KEYS_MAX_BYTES, .max_depth = 16};
    AUTO(jwt_keys_free) struct jwt_keys *keys = mem_zalloc(sizeof *keys);
    struct buf *json = NULL;
    if (n > JWT_KEYS_MAX_BYTES) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS", "there are more than 1 MiB");
    }
    struct status why;
    if (!json_check(text, n, &limits, "the set", &json, &why)) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "JWKS", "%s", why.message);
    }
    bool ok = add_keys(keys, json_of_buf(json), st);
    OPENSSL_cleanse(json->data, json->len);
    buf_unref(json);
    if (ok) {
        *ret_keys = MOVE(keys);
    }
    return ok;
}
