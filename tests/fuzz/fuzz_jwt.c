/* Keys and tokens. Lines: a set of keys, a token; a header and claims, which are signed here, so
 * that what lies behind the signature is reached, too. */
#include <openssl/evp.h>

#include "base64url.h"
#include "fuzz.h"
#include "hash.h"
#include "json.h"
#include "jwt.h"
#include "jwt_claims.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OWN_KEYS                                                                                   \
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":"                                             \
    "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}"
#define NOW 1000000

static void encode(const void *bytes, size_t n, struct str *out)
{
    AUTO(free) char *text = malloc(n / 3 * 4 + 5);
    int n_text = EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
    size_t before = out->len;
    for (int i = 0; i < n_text && text[i] != '='; i++) {
        str_add_char(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    }
    AUTO_STR decoded = {0};
    MUST(base64url_decode(str_text(out) + before, out->len - before, &decoded));
    MUST(decoded.len == n && (n == 0 || memcmp(decoded.data, bytes, n) == 0));
}

static void judge(const struct jwt_keys *keys, const char *token, size_t n)
{
    const struct jwt_trust trust = {.issuer = "us", .audience = "confreg", .keys = keys};
    struct jwt jwt = {.claims = NULL};
    enum jwt_verdict verdict = jwt_verify(&trust, 1, token, n, NOW, &jwt);
    MUST(verdict < JWT_VERDICTS && (verdict == JWT_GOOD) == (jwt.claims != NULL));
    if (verdict == JWT_GOOD) {
        struct json_text claims = json_of_buf(jwt.claims);
        MUST(jwt.end_s > NOW && n <= JWT_MAX_BYTES);
        MUST(json_type_of(claims) == JSON_OBJECT);
        MUST(jwt_claim_has(claims, "iss", "us") && jwt_claim_has(claims, "aud", "confreg"));
        jwt_claim_has(claims, "scope", "read");
        jwt_claim_has(claims, "/a/b", "c");
    }
    jwt_fini(&jwt);
}

static struct jwt_keys *own_keys(void)
{
    static struct jwt_keys *keys;
    struct status st;
    if (keys == NULL) {
        MUST(jwt_keys_parse(OWN_KEYS, strlen(OWN_KEYS), &keys, &st));
    }
    return keys;
}

static void judge_signed(const char *header, size_t n_header, const char *claims, size_t n_claims)
{
    AUTO_STR token = {0};
    encode(header, n_header, &token);
    str_add_char(&token, '.');
    encode(claims, n_claims, &token);
    struct hash mac = hash_mac(SECRET, strlen(SECRET), token.data, token.len);
    str_add_char(&token, '.');
    encode(mac.bytes, HASH_SIZE, &token);
    judge(own_keys(), token.data, token.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t n_set;
    size_t n_token;
    size_t n_header;
    size_t n_claims;
    AUTO(free) char *set = take_line(&in, &n_set);
    AUTO(free) char *token = take_line(&in, &n_token);
    AUTO(free) char *header = take_line(&in, &n_header);
    AUTO(free) char *claims = take_line(&in, &n_claims);
    AUTO(jwt_keys_free) struct jwt_keys *keys = NULL;
    struct status st;
    if (jwt_keys_parse(set, n_set, &keys, &st)) {
        MUST(jwt_keys_count(keys) > 0 && jwt_keys_count(keys) <= JWT_KEYS_MAX);
        judge(keys, token, n_token);
    } else {
        MUST(st.code == STATUS_INVALID_ARGUMENT && st.message[0] != '\0');
    }
    judge_signed(header, n_header, claims, n_claims);
    return 0;
}
