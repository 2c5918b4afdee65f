/* Rules for keys, headers and claims, on tokens that are signed here with HS256. What signatures of
 * other implementations need is in test_jwt.py. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

#include "hash.h"
#include "json.h"
#include "jwt.h"
#include "jwt_claims.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define K "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" /* SECRET in base64url */
#define OCT "{\"kty\":\"oct\",\"k\":\"" K "\""
#define EC_X "\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\""
#define NOW 1000000

static void encode(const void *bytes, size_t n, struct str *out)
{
    unsigned char text[1024];
    cr_assert(n < 700);
    int n_text = EVP_EncodeBlock(text, bytes, (int)n);
    for (int i = 0; i < n_text && text[i] != '='; i++) {
        str_add_char(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i]);
    }
}

static struct str sign(const char *header, const char *claims)
{
    struct str token = {0};
    encode(header, strlen(header), &token);
    str_add_char(&token, '.');
    encode(claims, strlen(claims), &token);
    struct hash mac = hash_mac(SECRET, strlen(SECRET), token.data, token.len);
    str_add_char(&token, '.');
    encode(mac.bytes, HASH_SIZE, &token);
    return token;
}

static struct jwt_keys *parse(const char *text)
{
    struct jwt_keys *keys = NULL;
    struct status st;
    cr_assert(jwt_keys_parse(text, strlen(text), &keys, &st), "%s", st.message);
    return keys;
}

static enum jwt_verdict judge(const char *token, size_t n, int64_t *ret_end_s)
{
    AUTO(jwt_keys_free)
    struct jwt_keys *keys = parse("{\"keys\":[" OCT ",\"kid\":\"a\"}]}");
    const struct jwt_trust trusts[] = {
        {.issuer = "other", .audience = "confreg", .keys = keys},
        {.issuer = "us", .audience = "confreg", .keys = keys, .leeway_s = 10},
    };
    struct jwt jwt = {.claims = NULL};
    enum jwt_verdict verdict = jwt_verify(trusts, COUNT_OF(trusts), token, n, NOW, &jwt);
    if (verdict == JWT_GOOD) {
        cr_expect_str_eq(jwt.kid, "a");
        cr_expect(jwt.trust == &trusts[1]);
        *ret_end_s = jwt.end_s;
    }
    jwt_fini(&jwt);
    return verdict;
}

static enum jwt_verdict judge_header(const char *header)
{
    AUTO_STR token = sign(header, "{\"iss\":\"us\",\"aud\":\"confreg\",\"exp\":1000001}");
    int64_t end_s;
    return judge(token.data, token.len, &end_s);
}

Test(jwt, headers)
{
    static const struct {
        const char *header;
        enum jwt_verdict verdict;
    } rows[] = {
        {"{\"alg\":\"HS256\"}", JWT_GOOD},
        {"{\"alg\":\"HS256\",\"kid\":\"a\"}", JWT_GOOD},
        {" {\"alg\" : \"HS256\", \"typ\": \"JWT\"} ", JWT_GOOD},
        {"{\"\\u0061lg\":\"HS256\",\"typ\":\"application/AT+jwt\"}", JWT_GOOD},
        {"{\"alg\":\"HS256\",\"jku\":\"http://x\",\"jwk\":{},\"x5c\":[],\"cty\":\"y\"}", JWT_GOOD},
        {"{\"alg\":\"none\"}", JWT_ALGORITHM},
        {"{\"alg\":\"hs256\"}", JWT_ALGORITHM},
        {"{\"alg\":\"HS256\\u0000\"}", JWT_ALGORITHM},
        {"{\"alg\":\"HS512\"}", JWT_ALGORITHM},
        {"{\"alg\":[\"HS256\"]}", JWT_ALGORITHM},
        {"{}", JWT_ALGORITHM},
        {"{\"alg\":\"HS256\",\"kid\":\"b\"}", JWT_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", JWT_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"a\\u0000\"}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":null}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":1}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"crit\":[]}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":true}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"secevent+jwt\"}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":null}", JWT_HEADER},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JWT_MALFORMED},
        {"{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\"}{}", JWT_MALFORMED},
        {"[\"HS256\"]", JWT_MALFORMED},
        {"", JWT_MALFORMED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_expect_eq(judge_header(rows[i].header), rows[i].verdict, "%s", rows[i].header);
    }
}

/* A row's claims follow issuer and audience, unless they have these themselves. */
Test(jwt, claims)
{
    static const struct {
        const char *claims;
        enum jwt_verdict verdict;
        int64_t end_s;
    } rows[] = {
        {"\"exp\":1000001", JWT_GOOD, 1000011},
        {"\"exp\":999991", JWT_GOOD, 1000001},
        {"\"exp\":999990.5", JWT_GOOD, 1000001},
        {"\"exp\":1.5e6", JWT_GOOD, 1500010},
        {"\"exp\":9007199254740992", JWT_GOOD, 9007199254741002},
        {"\"exp\":999990", JWT_EXPIRED, 0},
        {"\"exp\":0", JWT_EXPIRED, 0},
        {"\"exp\":-1e300", JWT_MALFORMED, 0},
        {"\"exp\":1e300", JWT_MALFORMED, 0},
        {"\"exp\":9007199254740993.0", JWT_GOOD, 9007199254741002},
        {"\"exp\":9007199254740994", JWT_MALFORMED, 0},
        {"\"exp\":99999999999999999999", JWT_MALFORMED, 0},
        {"\"exp\":\"1000001\"", JWT_MALFORMED, 0},
        {"\"exp\":null", JWT_MALFORMED, 0},
        {"\"exp\":true", JWT_MALFORMED, 0},
        {"\"nbf\":1", JWT_NO_END, 0},
        {"\"exp\":1000001,\"nbf\":1000010", JWT_GOOD, 1000011},
        {"\"exp\":1000001,\"nbf\":1000010.5", JWT_NOT_YET, 0},
        {"\"exp\":1000001,\"nbf\":1000011", JWT_NOT_YET, 0},
        {"\"exp\":1000001,\"nbf\":\"1\"", JWT_MALFORMED, 0},
        {"\"exp\":1000001,\"iat\":1000010", JWT_GOOD, 1000011},
        {"\"exp\":1000001,\"iat\":1000011", JWT_NOT_YET, 0},
        {"\"exp\":1000001,\"iat\":[]", JWT_MALFORMED, 0},
        {"\"exp\":1000001,\"exp\":1000001", JWT_MALFORMED, 0},
        {"\"exp\":1000001,\"a\":{\"b\":1,\"b\":1}", JWT_MALFORMED, 0},
        {"\"exp\":1000001,\"a\":\"\\ud800\"", JWT_MALFORMED, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR claims = {0};
        str_addf(&claims, "{\"iss\":\"us\",\"aud\":\"confreg\",%s}", rows[i].claims);
        AUTO_STR token = sign("{\"alg\":\"HS256\"}", claims.data);
        int64_t end_s = 0;
        cr_expect_eq(judge(token.data, token.len, &end_s), rows[i].verdict, "%s", rows[i].claims);
        cr_expect_eq(end_s, rows[i].end_s, "%s: %ld", rows[i].claims, (long)end_s);
    }
}

Test(jwt, issuers_and_audiences)
{
    static const struct {
        const char *claims;
        enum jwt_verdict verdict;
    } rows[] = {
        {"\"iss\":\"us\",\"aud\":[\"x\",\"confreg\"]", JWT_GOOD},
        {"\"\\u0069ss\":\"\\u0075s\",\"aud\":[1,null,\"confreg\"]", JWT_GOOD},
        {"\"iss\":\"us\",\"aud\":\"Confreg\"", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\",\"aud\":\"confreg x\"", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\",\"aud\":[]", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\",\"aud\":[[\"confreg\"]]", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\",\"aud\":{\"confreg\":\"confreg\"}", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\",\"aud\":\"confreg\\u0000\"", JWT_NOT_TRUSTED},
        {"\"iss\":\"us\"", JWT_NOT_TRUSTED},
        {"\"aud\":\"confreg\"", JWT_NOT_TRUSTED},
        {"\"iss\":[\"us\"],\"aud\":\"confreg\"", JWT_NOT_TRUSTED},
        {"\"iss\":\"us \",\"aud\":\"confreg\"", JWT_NOT_TRUSTED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR claims = {0};
        str_addf(&claims, "{\"exp\":1000001,%s}", rows[i].claims);
        AUTO_STR token = sign("{\"alg\":\"HS256\"}", claims.data);
        int64_t end_s;
        cr_expect_eq(judge(token.data, token.len, &end_s), rows[i].verdict, "%s", rows[i].claims);
    }
}

/* Each byte of a good token is bound by the signature or by its form. */
Test(jwt, a_token_that_differs_anywhere_is_refused)
{
    AUTO_STR token = sign("{\"alg\":\"HS256\",\"kid\":\"a\"}",
                          "{\"iss\":\"us\",\"aud\":\"confreg\",\"exp\":1000001}");
    int64_t end_s;
    cr_assert_eq(judge(token.data, token.len, &end_s), JWT_GOOD);
    for (size_t i = 0; i < token.len; i++) {
        char kept = token.data[i];
        for (int c = 0; c < 256; c++) {
            if ((char)c != kept) {
                token.data[i] = (char)c;
                cr_assert_neq(judge(token.data, token.len, &end_s), JWT_GOOD, "%zu %d", i, c);
            }
        }
        token.data[i] = kept;
        cr_assert_neq(judge(token.data, i, &end_s), JWT_GOOD, "cut at %zu", i);
        cr_assert_neq(judge(token.data + i + 1, token.len - i - 1, &end_s), JWT_GOOD);
    }
    for (int c = 0; c < 256; c++) {
        AUTO_STR longer = {0};
        str_add(&longer, token.data, token.len);
        str_add_char(&longer, (char)c);
        cr_expect_neq(judge(longer.data, longer.len, &end_s), JWT_GOOD, "%d behind", c);
    }
}

Test(jwt, size_comes_first)
{
    AUTO_STR token = {0};
    memset(str_extend(&token, JWT_MAX_BYTES + 1), '.', JWT_MAX_BYTES + 1);
    int64_t end_s;
    cr_expect_eq(judge(token.data, token.len, &end_s), JWT_TOO_LARGE);
    cr_expect_eq(judge(token.data, JWT_MAX_BYTES, &end_s), JWT_MALFORMED);
    cr_expect_eq(judge("", 0, &end_s), JWT_MALFORMED);
}

Test(jwt, every_verdict_has_a_text)
{
    for (size_t i = 0; i < JWT_VERDICTS; i++) {
        cr_expect_not_null(jwt_verdict_text((enum jwt_verdict)i), "%zu", i);
    }
}

Test(jwt, sets_of_keys_that_are_refused)
{
    static const struct {
        const char *keys, *why;
    } rows[] = {
        {"", "no key for"},
        {"1", "keys[0]: it is no object"},
        {"{}", "keys[0]: it is no object"},
        {"{\"kty\":\"oct\",\"k\":\"" K "\",\"kid\":\"\"}", "\"kid\" is no text"},
        {"{\"kty\":\"oct\",\"k\":\"" K "\",\"kid\":\"a\\n\"}", "\"kid\" is no text"},
        {"{\"kty\":\"oct\",\"k\":\"" K "\",\"kid\":1}", "\"kid\" is no text"},
        {"{\"kty\":\"oct\",\"k\":\"" K "=\"}", "\"k\" is not"},
        {"{\"kty\":\"oct\",\"k\":\"" K "AA\"}", "\"k\" is not"},
        {"{\"kty\":\"oct\",\"k\":\"\"}", "\"k\" is not"},
        {"{\"kty\":\"oct\"}", "\"k\" is not"},
        {"{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ\"}", "less than 32"},
        {OCT "}," OCT "}", "has no \"kid\""},
        {OCT ",\"kid\":\"a\"}," OCT "}", "has no \"kid\""},
        {OCT ",\"kid\":\"a\"}," OCT ",\"kid\":\"a\"}", "keys[1]: another key"},
        {OCT ",\"use\":\"enc\"}", "no key for"},
        {OCT ",\"key_ops\":[\"sign\"]}", "no key for"},
        {OCT ",\"alg\":\"HS512\"}", "no key for"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\"}", "no key for"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "}", "is not 32 bytes"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X ",\"y\":\"" K "\"}", "no point of P-256"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X ",\"d\":\"" K "\"}", "a private one"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", "is not 32 bytes"},
        {"{\"kty\":\"RSA\",\"n\":\"" K "\",\"e\":\"AQAB\"}", "less than 2048"},
        {"{\"kty\":\"RSA\",\"n\":\"" K "\"}", "\"n\" or \"e\" is not"},
        {OCT ",\"kid\":\"a\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"b\",\"x\":\"" K "\"}",
         "secrets beside"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR text = {0};
        struct jwt_keys *keys = NULL;
        struct status st;
        str_addf(&text, "{\"keys\":[%s]}", rows[i].keys);
        cr_assert_not(jwt_keys_parse(text.data, text.len, &keys, &st), "%s", rows[i].keys);
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_not_null(strstr(st.message, rows[i].why), "%s: %s", rows[i].keys, st.message);
        cr_expect_null(strstr(st.message, "MDEy"), "%s", st.message);
    }
}

Test(jwt, keys_for_other_uses_are_skipped)
{
    AUTO(jwt_keys_free)
    struct jwt_keys *keys = parse("{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"},{\"kty\":\"new\"},"
                                  "{\"kty\":\"EC\",\"crv\":\"P-521\"}," OCT
                                  ",\"key_ops\":[\"sign\",\"verify\"],\"alg\":\"HS256\"}]}");
    cr_expect_eq(jwt_keys_count(keys), 1);
}

Test(jwt, more_keys_than_allowed_are_refused)
{
    AUTO_STR text = {0};
    struct jwt_keys *keys = NULL;
    struct status st;
    for (size_t i = 0; i <= JWT_KEYS_MAX; i++) {
        str_addf(&text, "%s" OCT ",\"kid\":\"%zu\"}", i == 0 ? "{\"keys\":[" : ",", i);
    }
    str_add_text(&text, "]}");
    cr_expect_not(jwt_keys_parse(text.data, text.len, &keys, &st));
    cr_expect_str_eq(st.message, "keys[256]: there are more than 256 keys");
    AUTO_STR blanks = {0};
    memset(str_extend(&blanks, JWT_KEYS_MAX_BYTES + 1), ' ', JWT_KEYS_MAX_BYTES + 1);
    cr_expect_not(jwt_keys_parse(blanks.data, blanks.len, &keys, &st));
    cr_expect_str_eq(st.message, "there are more than 1 MiB");
}

Test(jwt, claims_are_found_by_name_and_by_pointer)
{
    static const char text[] =
        "{\"groups\":[\"dev\",\"sre\"],\"role\":\"ops\",\"scope\":\"read write\",\"a/b\":\"x\","
        "\"realm\":{\"roles\":[\"r\"]},\"n\":[1,\"1\"],\"words\":\"read "
        "write\",\"nul\":\"a\\u0000\"}";
    static const struct {
        const char *name, *value;
        bool has;
    } rows[] = {
        {"groups", "sre", true}, {"groups", "sr", false},       {"groups", "dev sre", false},
        {"role", "ops", true},   {"role", "Ops", false},        {"scope", "write", true},
        {"scope", "read", true}, {"scope", "rea", false},       {"scope", "read write", true},
        {"scope", "", false},    {"words", "read", false},      {"words", "read write", true},
        {"a/b", "x", true},      {"/a~1b", "x", true},          {"/realm/roles", "r", true},
        {"realm", "r", false},   {"/realm/roles/0", "r", true}, {"n", "1", true},
        {"nul", "a", false},     {"missing", "a", false},       {"/realm/x", "r", false},
    };
    const struct json_text claims = {text, sizeof text - 1};
    struct status st;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_expect(jwt_claim_check(rows[i].name, "claim", &st));
        cr_expect_eq(jwt_claim_has(claims, rows[i].name, rows[i].value), rows[i].has, "%s %s",
                     rows[i].name, rows[i].value);
    }
    cr_expect_not(jwt_claim_check("", "claim", &st));
    cr_expect_not(jwt_claim_check("/a~b", "claim", &st));
}
