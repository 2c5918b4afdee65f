#include "jwk.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base64url.h"
#include "hash.h"
#include "jwt_claims.h"
#include "mem.h"

#define P256_BYTES 32 /* of a coordinate, and of each half of a signature */
#define ED25519_BYTES 32
#define POINT_UNCOMPRESSED 4

/* Clears before it frees: a str may hold a secret. */
static void wipe(struct str *s)
{
    if (s->data != NULL) {
        OPENSSL_cleanse(s->data, s->room);
    }
    str_fini(s);
}
#define AUTO_WIPED_STR __attribute__((cleanup(wipe))) struct str

static bool member_is(struct json_text json, const char *name, const char *text)
{
    struct json_text value;
    return json_find(json, name, &value) && jwt_text_is(value, text);
}

/* ---- The key's bytes ---- */

/* Decodes a member that holds bytes. A str that grows leaves its old memory behind, so there is
 * room for all from the start. */
static bool read_bytes(struct json_text json, const char *name, struct str *out)
{
    AUTO_WIPED_STR text = {0};
    struct json_text value;
    if (!json_find(json, name, &value) || json_type_of(value) != JSON_STRING) {
        return false;
    }
    str_extend(&text, value.len);
    str_clear(&text);
    str_extend(out, value.len);
    str_clear(out);
    return jwt_text(value, &text) && text.len > 0 && base64url_decode(text.data, text.len, out);
}

static const char *read_secret(struct json_text json, struct jwk *key)
{
    AUTO_WIPED_STR bytes = {0};
    if (!read_bytes(json, "k", &bytes)) {
        return "\"k\" is not the secret in base64url";
    }
    if (bytes.len < JWK_SECRET_MIN_BYTES) {
        return "the secret has less than 32 bytes";
    }
    if (bytes.len > JWK_SECRET_MAX_BYTES) {
        return "the secret has more than 1024 bytes";
    }
    key->n_secret = bytes.len;
    key->secret = mem_alloc(bytes.len);
    memcpy(key->secret, bytes.data, bytes.len);
    return NULL;
}

/* NULL: the parameters do not make a key. */
static EVP_PKEY *make_public(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *made = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        made = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return made;
}

static BIGNUM *number_of(const struct str *bytes)
{
    return BN_bin2bn((const unsigned char *)bytes->data, (int)bytes->len, NULL);
}

/* The keys that Infineon's library made until 2017 can be factored (CVE-2017-15361). Their modulus
 * is a power of 65537 modulo each small prime, which others are once in 10^8. */
static bool is_weak_rsa(const BIGNUM *n)
{
    static const uint8_t primes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                     79, 97, 103, 107, 109, 127, 151, 157};
    for (size_t i = 0; i < sizeof primes; i++) {
        BN_ULONG rest = BN_mod_word(n, primes[i]);
        BN_ULONG power = 1;
        for (size_t k = 0; k < primes[i] && power != rest; k++) {
            power = power * 65537 % primes[i];
        }
        if (power != rest) {
            return false;
        }
    }
    return true;
}

static const char *check_rsa(const BIGNUM *n, const BIGNUM *e)
{
    int bits = BN_num_bits(n);
    if (bits < JWK_RSA_MIN_BITS) {
        return "the RSA key has less than 2048 bits";
    }
    if (bits > JWK_RSA_MAX_BITS) {
        return "the RSA key has more than 8192 bits";
    }
    if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) ||
        BN_num_bits(e) > JWK_RSA_EXPONENT_MAX_BITS) {
        return "\"n\" and \"e\" are no RSA key";
    }
    return is_weak_rsa(n) ? "the RSA key is one that can be factored (CVE-2017-15361)" : NULL;
}

static const char *read_rsa(struct json_text json, struct jwk *key)
{
    AUTO_STR modulus = {0};
    AUTO_STR exponent = {0};
    if (!read_bytes(json, "n", &modulus) || !read_bytes(json, "e", &exponent)) {
        return "\"n\" or \"e\" is not a number in base64url";
    }
    BIGNUM *n = number_of(&modulus);
    BIGNUM *e = number_of(&exponent);
    const char *why = check_rsa(n, e);
    if (why == NULL) {
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
        key->public_key = make_public("RSA", builder);
        OSSL_PARAM_BLD_free(builder);
        why = key->public_key == NULL ? "\"n\" and \"e\" are no RSA key" : NULL;
    }
    BN_free(n);
    BN_free(e);
    return why;
}

static const char *read_ec(struct json_text json, struct jwk *key)
{
    AUTO_STR x = {0};
    AUTO_STR y = {0};
    if (!read_bytes(json, "x", &x) || !read_bytes(json, "y", &y) || x.len != P256_BYTES ||
        y.len != P256_BYTES) {
        return "\"x\" or \"y\" is not 32 bytes in base64url";
    }
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_UNCOMPRESSED};
    memcpy(point + 1, x.data, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    key->public_key = make_public("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return key->public_key == NULL ? "\"x\" and \"y\" are no point of P-256" : NULL;
}

static const char *read_okp(struct json_text json, struct jwk *key)
{
    AUTO_STR x = {0};
    if (!read_bytes(json, "x", &x) || x.len != ED25519_BYTES) {
        return "\"x\" is not 32 bytes in base64url";
    }
    key->public_key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.data, x.len);
    return key->public_key == NULL ? "\"x\" is no key of Ed25519" : NULL;
}

/* ---- Signatures ---- */

static bool verify_hmac(const struct jwk *key, const char *bytes, size_t n,
                        const uint8_t *signature, size_t n_signature)
{
    struct hash mac = hash_mac(key->secret, key->n_secret, bytes, n);
    return n_signature == HASH_SIZE && secret_equal(mac.bytes, signature, HASH_SIZE);
}

static bool verify_digest(const struct jwk *key, const EVP_MD *digest, const char *bytes, size_t n,
                          const uint8_t *signature, size_t n_signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok =
        context != NULL &&
        EVP_DigestVerifyInit(context, NULL, digest, NULL, key->public_key) == 1 &&
        EVP_DigestVerify(context, signature, n_signature, (const unsigned char *)bytes, n) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return ok;
}

static bool verify_rsa(const struct jwk *key, const char *bytes, size_t n, const uint8_t *signature,
                       size_t n_signature)
{
    return verify_digest(key, EVP_sha256(), bytes, n, signature, n_signature);
}

static bool verify_ed25519(const struct jwk *key, const char *bytes, size_t n,
                           const uint8_t *signature, size_t n_signature)
{
    return verify_digest(key, NULL, bytes, n, signature, n_signature);
}

/* A token has both numbers with 32 bytes each; OpenSSL takes them in DER. */
static bool verify_ec(const struct jwk *key, const char *bytes, size_t n, const uint8_t *signature,
                      size_t n_signature)
{
    if (n_signature != 2 * (size_t)P256_BYTES) {
        return false;
    }
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
    ECDSA_SIG_set0(pair, r, s); /* owns them now */
    unsigned char *der = NULL;
    int n_der = i2d_ECDSA_SIG(pair, &der);
    bool ok = n_der > 0 && verify_digest(key, EVP_sha256(), bytes, n, der, (size_t)n_der);
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return ok;
}

/* ---- The table of algorithms ---- */

static const struct jwk_kind {
    const char *kty, *crv; /* crv: NULL where the type has no curves */
    const char *names[2];  /* in `alg` */
    const char *(*read)(struct json_text json, struct jwk *key);
    bool (*verify)(const struct jwk *key, const char *bytes, size_t n, const uint8_t *signature,
                   size_t n_signature);
} kinds[JWK_ALGORITHMS] = {
    [JWK_HS256] = {"oct", NULL, {"HS256"}, read_secret, verify_hmac},
    [JWK_RS256] = {"RSA", NULL, {"RS256"}, read_rsa, verify_rsa},
    [JWK_ES256] = {"EC", "P-256", {"ES256"}, read_ec, verify_ec},
    [JWK_EDDSA] = {"OKP", "Ed25519", {"EdDSA", "Ed25519"}, read_okp, verify_ed25519},
};

bool jwk_algorithm_is(enum jwk_algorithm algorithm, struct json_text name)
{
    const struct jwk_kind *kind = &kinds[algorithm];
    return jwt_text_is(name, kind->names[0]) ||
           (kind->names[1] != NULL && jwt_text_is(name, kind->names[1]));
}

bool jwk_verify(const struct jwk *key, const char *bytes, size_t n, const uint8_t *signature,
                size_t n_signature)
{
    return kinds[key->algorithm].verify(key, bytes, n, signature, n_signature);
}

/* JWK_ALGORITHMS: the key is for none of them. */
static enum jwk_algorithm find_algorithm(struct json_text json)
{
    struct json_text alg;
    for (size_t i = 0; i < JWK_ALGORITHMS; i++) {
        const struct jwk_kind *kind = &kinds[i];
        if (member_is(json, "kty", kind->kty) &&
            (kind->crv == NULL || member_is(json, "crv", kind->crv))) {
            return !json_find(json, "alg", &alg) || jwk_algorithm_is((enum jwk_algorithm)i, alg)
                       ? (enum jwk_algorithm)i
                       : JWK_ALGORITHMS;
        }
    }
    return JWK_ALGORITHMS;
}

/* ---- Reading ---- */

/* `use` and `key_ops` say what a key is for; one that says nothing is for all. */
static bool is_for_signatures(struct json_text json)
{
    struct json_text value;
    return (!json_find(json, "use", &value) || jwt_text_is(value, "sig")) &&
           (!json_find(json, "key_ops", &value) || jwt_claim_has(json, "key_ops", "verify"));
}

static bool read_kid(struct json_text json, char **ret_kid)
{
    AUTO_STR kid = {0};
    struct json_text value;
    if (json_find(json, "kid", &value)) {
        if (!jwt_text(value, &kid) || kid.len == 0 || kid.len > JWK_KID_MAX) {
            return false;
        }
        for (size_t i = 0; i < kid.len; i++) {
            if ((unsigned char)kid.data[i] < 0x20 || kid.data[i] == 0x7F) {
                return false;
            }
        }
    }
    *ret_kid = mem_string(str_text(&kid));
    return true;
}

static const char *read_members(struct json_text json, struct jwk *key)
{
    struct json_text value;
    if (key->algorithm != JWK_HS256 && json_find(json, "d", &value)) {
        return "the key is a private one";
    }
    if (!read_kid(json, &key->kid)) {
        return "\"kid\" is no text of 1 to 255 bytes without control characters";
    }
    return kinds[key->algorithm].read(json, key);
}

enum jwk_reading jwk_read(struct json_text json, struct jwk *ret_key, const char **ret_why)
{
    struct json_text kty;
    if (json_type_of(json) != JSON_OBJECT || !json_find(json, "kty", &kty) ||
        json_type_of(kty) != JSON_STRING) {
        *ret_why = "it is no object with a \"kty\"";
        return JWK_REFUSED;
    }
    struct jwk key = {.algorithm = find_algorithm(json)};
    if (key.algorithm == JWK_ALGORITHMS || !is_for_signatures(json)) {
        return JWK_SKIPPED;
    }
    const char *why = read_members(json, &key);
    ERR_clear_error();
    if (why != NULL) {
        jwk_fini(&key);
        *ret_why = why;
        return JWK_REFUSED;
    }
    *ret_key = key;
    return JWK_READ;
}

void jwk_fini(struct jwk *key)
{
    free(key->kid);
    EVP_PKEY_free(key->public_key);
    if (key->secret != NULL) {
        OPENSSL_cleanse(key->secret, key->n_secret);
        free(key->secret);
    }
    *key = (struct jwk){.kid = NULL};
}
