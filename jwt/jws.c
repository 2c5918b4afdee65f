#include "jws.h"

#include <string.h>
#include <strings.h>

#include "base64url.h"
#include "json.h"
#include "jwt_claims.h"

#define HEADER_MAX_DEPTH 16

static struct buf *decode_header(const char *text, size_t n)
{
    static const struct json_limits limits = {.max_bytes = JWT_MAX_BYTES,
                                              .max_depth = HEADER_MAX_DEPTH};
    AUTO_STR json = {0};
    struct buf *object = NULL;
    struct status st;
    return base64url_decode(text, n, &json) &&
                   json_check(json.data, json.len, &limits, "header", &object, &st)
               ? object
               : NULL;
}

static bool take_apart(const char *token, size_t n, struct jws *jws)
{
    const char *end = token + n;
    const char *first = memchr(token, '.', n);
    const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL) {
        return false;
    }
    jws->token = token;
    jws->n_signed = (size_t)(second - token);
    jws->header = decode_header(token, (size_t)(first - token));
    return jws->header != NULL &&
           base64url_decode(first + 1, (size_t)(second - first - 1), &jws->payload) &&
           base64url_decode(second + 1, (size_t)(end - second - 1), &jws->signature);
}

/* A media type may be written with "application/" in front (4.1.9), in either case. */
static bool is_for_bearers(struct json_text header)
{
    static const char prefix[] = "application/";
    struct json_text typ;
    AUTO_STR type = {0};
    if (!json_find(header, "typ", &typ)) {
        return true;
    }
    if (!jwt_text(typ, &type)) {
        return false;
    }
    const char *name = str_text(&type);
    if (strncasecmp(name, prefix, sizeof prefix - 1) == 0) {
        name += sizeof prefix - 1;
    }
    return strcasecmp(name, "JWT") == 0 || strcasecmp(name, "at+jwt") == 0;
}

enum jwt_verdict jws_parse(const char *token, size_t n, struct jws *jws)
{
    struct json_text value;
    if (n > JWT_MAX_BYTES) {
        return JWT_TOO_LARGE;
    }
    if (n == 0 || !take_apart(token, n, jws)) {
        return JWT_MALFORMED;
    }
    struct json_text header = json_of_buf(jws->header);
    if (json_find(header, "crit", &value) || json_find(header, "b64", &value) ||
        !is_for_bearers(header)) {
        return JWT_HEADER;
    }
    jws->has_kid = json_find(header, "kid", &value);
    return !jws->has_kid || jwt_text(value, &jws->kid) ? JWT_GOOD : JWT_MALFORMED;
}

enum jwt_verdict jws_verify(const struct jws *jws, const struct jwt_keys *keys,
                            const struct jwk **ret_key)
{
    const struct jwk *key = jwt_keys_find(keys, jws->has_kid ? str_text(&jws->kid) : NULL);
    struct json_text alg;
    if (key == NULL) {
        return JWT_KEY;
    }
    if (!json_find(json_of_buf(jws->header), "alg", &alg) ||
        !jwk_algorithm_is(key->algorithm, alg)) {
        return JWT_ALGORITHM;
    }
    if (!jwk_verify(key, jws->token, jws->n_signed, (const uint8_t *)str_text(&jws->signature),
                    jws->signature.len)) {
        return JWT_SIGNATURE;
    }
    *ret_key = key;
    return JWT_GOOD;
}

void jws_fini(struct jws *jws)
{
    buf_unref(jws->header);
    str_fini(&jws->payload);
    str_fini(&jws->signature);
    str_fini(&jws->kid);
}
