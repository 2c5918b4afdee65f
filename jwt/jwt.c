#include "jwt.h"

#include <string.h>

#include "json.h"
#include "jws.h"
#include "jwt_claims.h"

#define CLAIMS_MAX_DEPTH 32
#define TIME_MAX ((double)(INT64_C(1) << 53)) /* every whole second up to here is a double */
#define TIME_DIGITS 64

static const char *const texts[JWT_VERDICTS] = {
    [JWT_GOOD] = "is good",
    [JWT_TOO_LARGE] = "has more than 16384 bytes",
    [JWT_MALFORMED] = "is malformed",
    [JWT_HEADER] = "has a header for something else",
    [JWT_NOT_TRUSTED] = "is of an issuer or for an audience that is not accepted",
    [JWT_KEY] = "names no key that is known",
    [JWT_ALGORITHM] = "has another algorithm than its key",
    [JWT_SIGNATURE] = "has a wrong signature",
    [JWT_NO_END] = "has no end",
    [JWT_EXPIRED] = "has expired",
    [JWT_NOT_YET] = "is not valid yet",
};

const char *jwt_verdict_text(enum jwt_verdict verdict)
{
    return texts[verdict];
}

/* ---- Trust ---- */

static const struct jwt_trust *find_trust(const struct jwt_trust *trusts, size_t n,
                                          struct json_text claims)
{
    struct json_text issuer;
    if (!json_find(claims, "iss", &issuer)) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (jwt_text_is(issuer, trusts[i].issuer) &&
            jwt_claim_has(claims, "aud", trusts[i].audience)) {
            return &trusts[i];
        }
    }
    return NULL;
}

/* ---- Times ---- */

/* NumericDate: seconds since 1970, with or without a fraction. False: the value is none, or too far
 * from now to be one. */
static bool read_time(struct json_text value, double *ret_s)
{
    char text[TIME_DIGITS];
    if (json_type_of(value) != JSON_NUMBER || value.len >= sizeof text) {
        return false;
    }
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    double seconds = strtod(text, NULL);
    if (seconds > TIME_MAX || seconds < -TIME_MAX) {
        return false;
    }
    *ret_s = seconds;
    return true;
}

static enum jwt_verdict check_end(struct json_text claims, double now_s, double *ret_end_s)
{
    struct json_text value;
    if (!json_find(claims, "exp", &value)) {
        return JWT_NO_END;
    }
    if (!read_time(value, ret_end_s)) {
        return JWT_MALFORMED;
    }
    return now_s < *ret_end_s ? JWT_GOOD : JWT_EXPIRED;
}

static enum jwt_verdict check_start(struct json_text claims, const char *name, double now_s)
{
    struct json_text value;
    double start_s;
    if (!json_find(claims, name, &value)) {
        return JWT_GOOD;
    }
    if (!read_time(value, &start_s)) {
        return JWT_MALFORMED;
    }
    return start_s <= now_s ? JWT_GOOD : JWT_NOT_YET;
}

/* The first whole second that is not before end_s. */
static int64_t round_up(double end_s)
{
    int64_t whole = (int64_t)end_s;
    return whole + ((double)whole < end_s ? 1 : 0);
}

static enum jwt_verdict check_times(struct json_text claims, int64_t leeway_s, int64_t now_s,
                                    int64_t *ret_end_s)
{
    double end_s;
    enum jwt_verdict verdict = check_end(claims, (double)(now_s - leeway_s), &end_s);
    if (verdict == JWT_GOOD) {
        verdict = check_start(claims, "nbf", (double)(now_s + leeway_s));
    }
    if (verdict == JWT_GOOD) {
        verdict = check_start(claims, "iat", (double)(now_s + leeway_s));
    }
    if (verdict == JWT_GOOD) {
        *ret_end_s = round_up(end_s) + leeway_s;
    }
    return verdict;
}

/* ---- All of it ---- */

static struct buf *claims_of(const struct jws *jws)
{
    static const struct json_limits limits = {.max_bytes = JWT_MAX_BYTES,
                                              .max_depth = CLAIMS_MAX_DEPTH};
    struct buf *claims = NULL;
    struct status st;
    return json_check(jws->payload.data, jws->payload.len, &limits, "claims", &claims, &st) ? claims
                                                                                            : NULL;
}

static enum jwt_verdict check(const struct jws *jws, const struct jwt_trust *trusts,
                              size_t n_trusts, int64_t now_s, struct jwt *ret_jwt)
{
    AUTO(buf_unref) struct buf *claims = claims_of(jws);
    if (claims == NULL) {
        return JWT_MALFORMED;
    }
    const struct jwt_trust *trust = find_trust(trusts, n_trusts, json_of_buf(claims));
    if (trust == NULL) {
        return JWT_NOT_TRUSTED;
    }
    const struct jwk *key;
    int64_t end_s;
    enum jwt_verdict verdict = jws_verify(jws, trust->keys, &key);
    if (verdict == JWT_GOOD) {
        verdict = check_times(json_of_buf(claims), trust->leeway_s, now_s, &end_s);
    }
    if (verdict == JWT_GOOD) {
        *ret_jwt =
            (struct jwt){.claims = MOVE(claims), .trust = trust, .kid = key->kid, .end_s = end_s};
    }
    return verdict;
}

enum jwt_verdict jwt_verify(const struct jwt_trust *trusts, size_t n_trusts, const char *token,
                            size_t n, int64_t now_s, struct jwt *ret_jwt)
{
    struct jws jws = {.token = NULL};
    enum jwt_verdict verdict = jws_parse(token, n, &jws);
    if (verdict == JWT_GOOD) {
        verdict = check(&jws, trusts, n_trusts, now_s, ret_jwt);
    }
    jws_fini(&jws);
    return verdict;
}

void jwt_fini(struct jwt *jwt)
{
    buf_unref(jwt->claims);
    *jwt = (struct jwt){.claims = NULL};
}
