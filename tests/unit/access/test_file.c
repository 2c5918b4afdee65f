#include <criterion/criterion.h>
#include <string.h>

#include "access_file.h"
#include "clock.h"

#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "2222222222222222222222222222222222222222222222222222222222222222"

static struct principals *parse(const char *text)
{
    struct principals *principals = NULL;
    struct status st;
    cr_assert(access_file_parse("", text, strlen(text), &principals, &st), "%s", st.message);
    return principals;
}

static struct hash hash_of(const char *digits)
{
    struct hash hash;
    cr_assert(hex_decode(digits, strlen(digits), hash.bytes, HASH_SIZE));
    return hash;
}

Test(access_file, has_principals_tokens_certificates_and_grants)
{
    AUTO(principals_unref)
    struct principals *principals = parse(
        "{\"principals\": [{\"grants\": [{\"role\": \"admin\", \"environments\": [\"prod\"],"
        "\"services\": [\"a*\", \"b\"]}, {\"role\": \"reader\"}],"
        "\"tokens\": [{\"expires\": \"2030-01-01T00:00:00Z\", \"sha256\": \"" HASH_1 "\"},"
        "{\"sha256\": \"" HASH_2 "\"}], \"name\": \"billing\"},"
        "{\"name\": \"web\", \"certificates\": [\"spiffe://x/web\", \"dns:web\", \"cn:w\"]}]}");
    cr_assert_eq(principals->n, 2);
    cr_expect_str_eq(principals->items[0].name, "billing");
    struct hash hash = hash_of(HASH_1);
    const struct principal_token *token = principals_find_token(principals, &hash);
    cr_assert_not_null(token);
    cr_expect_eq(token->principal, 0);
    cr_expect_eq(token->expires_us, INT64_C(1893456000000000));
    hash = hash_of(HASH_2);
    cr_expect_eq(principals_find_token(principals, &hash)->expires_us, EXPIRES_NEVER);
    hash.bytes[31] ^= 1;
    cr_expect_null(principals_find_token(principals, &hash));
    struct grants grants = principals->items[0].grants;
    cr_assert_eq(grants.n, 2);
    cr_expect(grants_may(grants, PERMISSION_WRITE, "prod", "abc"));
    cr_expect(grants_may(grants, PERMISSION_WRITE, "prod", "b"));
    cr_expect(!grants_may(grants, PERMISSION_WRITE, "test", "b"));
    cr_expect(grants_may_everywhere(grants, PERMISSION_READ));
    cr_expect_eq(principals_find_certificate(principals, "dns:web")->principal, 1);
    cr_expect_null(principals_find_certificate(principals, "dns:we"));
    cr_expect_eq(principals->items[1].grants.n, 0);
    cr_expect_eq(principals_next_expiry(principals, 0), INT64_C(1893456000000000));
    cr_expect_eq(principals_next_expiry(principals, INT64_C(1893456000000000)), EXPIRES_NEVER);
}

Test(access_file, may_be_empty)
{
    AUTO(principals_unref) struct principals *principals = parse("{}");
    struct hash hash = hash_of(HASH_1);
    cr_expect_null(principals_find_token(principals, &hash));
    cr_expect_null(principals_find_certificate(principals, "cn:a"));
    cr_expect_eq(principals_next_expiry(principals, 0), EXPIRES_NEVER);
}

#define ONE(members) "{\"principals\":[{" members "}]}"
#define GRANT(members) ONE("\"name\":\"a\",\"grants\":[{" members "}]")
#define TOKEN(members) ONE("\"name\":\"a\",\"tokens\":[{" members "}]")

/* Each with the place that the message has to name; no message has a value of the file. */
Test(access_file, is_refused_with_the_place_that_is_wrong)
{
    static const struct {
        const char *text, *place;
    } rows[] = {
        {"", "the file"},
        {"[]", "the file"},
        {"{\"principals\":1}", "principals: must be an array"},
        {"{\"principal\":[]}", "the file: has an unknown member principal"},
        {"{\"SECRET\":[]}", "the file: has an unknown member"},
        {"{\"principals\":[1]}", "principals[0]: must be an object"},
        {ONE(""), "principals[0]: has no name"},
        {ONE("\"name\":1"), "principals[0].name: must be a string"},
        {ONE("\"name\":\"\""), "principals[0].name: "},
        {ONE("\"name\":\"SECRET/\""), "principals[0].name: "},
        {ONE("\"name\":\"SECRET\\u0000\""), "principals[0].name: has a NUL"},
        {"{\"principals\":[{\"name\":\"SECRET\"},{\"name\":\"SECRET\"}]}",
         "principals[1].name: is the name of a principal before"},
        {TOKEN(""), "principals[0].tokens[0]: has no sha256"},
        {TOKEN("\"sha256\":\"cfr_SECRET\""), "principals[0].tokens[0].sha256: must be"},
        {TOKEN("\"token\":\"cfr_SECRET\""), "principals[0].tokens[0]: has an unknown member token"},
        {TOKEN("\"sha256\":\"" HASH_1 "\",\"expires\":\"SECRET\""),
         "principals[0].tokens[0].expires: must be a time"},
        {TOKEN("\"sha256\":\"" HASH_1 "\"},{\"sha256\":\"" HASH_1 "\""),
         "principals[0].tokens[1]: is a token that stands in the file before"},
        {ONE("\"name\":\"a\",\"certificates\":[\"SECRET\"]"),
         "principals[0].certificates[0]: must be a URI"},
        {ONE("\"name\":\"a\",\"certificates\":[\"dns:SECRET\",\"dns:SECRET\"]"),
         "principals[0].certificates[1]: is a name"},
        {GRANT(""), "principals[0].grants[0]: has no role"},
        {GRANT("\"role\":\"SECRET\""), "principals[0].grants[0].role: must be reader"},
        {GRANT("\"role\":\"admin\",\"services\":[]"),
         "principals[0].grants[0].services: must not be empty"},
        {GRANT("\"role\":\"admin\",\"services\":[\"SECRET/\"]"),
         "principals[0].grants[0].services[0]: "},
        {GRANT("\"role\":\"admin\",\"environments\":\"SECRET\""),
         "principals[0].grants[0].environments: must be an array"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct principals *principals = NULL;
        struct status st;
        cr_assert(!access_file_parse("", rows[i].text, strlen(rows[i].text), &principals, &st),
                  "%s", rows[i].text);
        cr_expect_str_eq(st.reason, "ACCESS_FILE_BROKEN");
        cr_expect_not_null(strstr(st.message, rows[i].place), "%s: %s", rows[i].text, st.message);
        cr_expect_null(strstr(st.message, "SECRET"), "%s", st.message);
        cr_expect_null(strstr(st.message, "1111"), "%s", st.message);
    }
}
