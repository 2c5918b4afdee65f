#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "bearer.h"
#include "clock.h"
#include "str.h"

static struct access *rights;
static char folder[] = "/tmp/unit_access_XXXXXX";
static char path[64];
static char token[2][BEARER_TOKEN_SIZE];

static void add_token(struct str *out, const char *text, const char *expires)
{
    char digits[2 * HASH_SIZE + 1];
    struct hash hash = bearer_token_hash(text, strlen(text));
    hex_encode(hash.bytes, HASH_SIZE, digits);
    str_addf(out, "{\"sha256\":\"%s\"%s%s%s}", digits, expires == NULL ? "" : ",\"expires\":\"",
             expires == NULL ? "" : expires, expires == NULL ? "" : "\"");
}

/* billing: a reader, with token 0; gone: with token 1, which has expired; web: an admin, by its
 * certificate; gate: a gateway, by its certificate. */
static void write_file(void)
{
    AUTO_STR text = {0};
    str_add_text(&text, "{\"principals\":[{\"name\":\"billing\",\"tokens\":[");
    add_token(&text, token[0], NULL);
    str_add_text(&text, "],\"grants\":[{\"role\":\"reader\",\"services\":[\"billing\"]}]},"
                        "{\"name\":\"gone\",\"tokens\":[");
    add_token(&text, token[1], "2001-01-01T00:00:00Z");
    str_add_text(&text, "]},{\"name\":\"web\",\"certificates\":[\"dns:web\"],"
                        "\"grants\":[{\"role\":\"admin\"}]},"
                        "{\"name\":\"gate\",\"certificates\":[\"dns:gate\"],"
                        "\"grants\":[{\"role\":\"gateway\"}]}]}");
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fputs(text.data, file) >= 0 && fclose(file) == 0);
}

static void start(bool has_anonymous)
{
    snprintf(folder, sizeof folder, "/tmp/unit_access_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/access.json", folder);
    bearer_token_new(token[0]);
    bearer_token_new(token[1]);
    write_file();
    const struct access_options options = {
        .file = path, .has_anonymous = has_anonymous, .anonymous = ROLE_READER};
    struct status st;
    cr_assert(access_open(&options, &rights, &st), "%s", st.message);
}

static void setup(void)
{
    start(false);
}

static void teardown(void)
{
    access_close(rights);
    unlink(path);
    rmdir(folder);
}

TestSuite(access, .init = setup, .fini = teardown);

static char header[64];

static struct credentials bearing(const char *text)
{
    snprintf(header, sizeof header, "Bearer %s", text);
    return (struct credentials){
        .authorization = header, .n_authorization = strlen(header), .certificate = ""};
}

static void expect_refused(const struct credentials *given, enum status_code code,
                           const char *reason)
{
    struct caller *caller = NULL;
    struct status st;
    cr_assert(!access_identify(rights, given, &caller, &st));
    cr_expect_eq(st.code, code);
    cr_expect_str_eq(st.reason, reason);
}

static struct caller *identified(const struct credentials *given)
{
    struct caller *caller = NULL;
    struct status st;
    cr_assert(access_identify(rights, given, &caller, &st), "%s", st.message);
    return caller;
}

Test(access, knows_a_token)
{
    const struct credentials given = bearing(token[0]);
    AUTO(caller_unref) struct caller *caller = identified(&given);
    cr_expect_str_eq(caller_name(caller), "billing");
    cr_expect_eq(caller_credential_kind(caller), CREDENTIAL_TOKEN);
    cr_expect_eq(strlen(caller_credential_id(caller)), BEARER_ID_DIGITS);
    cr_expect_eq(caller_expires_us(caller), CALLER_EXPIRES_NEVER);
    cr_expect(!caller_has_gateway(caller));
    cr_expect(caller_may(caller, PERMISSION_READ, "prod", "billing"));
    cr_expect(!caller_may(caller, PERMISSION_READ, "prod", "web"));
    cr_expect(caller_may_somewhere(caller, PERMISSION_READ));
    cr_expect(!grants_may_everywhere(caller_grants(caller), PERMISSION_READ));
}

Test(access, says_what_form_a_token_has)
{
    static const struct {
        const char *header, *told;
    } cases[] = {
        {"Bearer hello", "cfr_"},           {"Bearer cfr_hello", "cfr_"},
        {"Basic aGVsbG8=", "Bearer TOKEN"}, {"Bearer", "Bearer TOKEN"},
        {"Bearer a b", "Bearer TOKEN"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct credentials given = {.authorization = cases[i].header,
                                          .n_authorization = strlen(cases[i].header),
                                          .certificate = ""};
        struct caller *caller = NULL;
        struct status st;
        cr_assert(!access_identify(rights, &given, &caller, &st));
        cr_expect_str_eq(st.reason, "CREDENTIALS_INVALID");
        cr_expect_not_null(strstr(st.message, cases[i].told), "%s: %s", cases[i].header,
                           st.message);
    }
}

Test(access, refuses_what_is_nobodys)
{
    char other[BEARER_TOKEN_SIZE];
    bearer_token_new(other);
    const struct credentials none = {.certificate = ""};
    expect_refused(&none, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING");
    struct credentials given = bearing(other);
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    given = bearing("x");
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    given = bearing(token[1]);
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_EXPIRED");
    given = (struct credentials){.certificate = "dns:nobody"};
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
}

Test(access, a_token_counts_before_a_certificate)
{
    struct credentials given = bearing(token[0]);
    given.certificate = "dns:web";
    AUTO(caller_unref) struct caller *caller = identified(&given);
    cr_expect_str_eq(caller_name(caller), "billing");
    given = bearing(token[1]); /* which has expired: the certificate is no way out */
    given.certificate = "dns:web";
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_EXPIRED");
}

Test(access, a_gateway_speaks_for_others)
{
    struct credentials given = {.certificate = "dns:gate", .on_behalf = "dns:web"};
    AUTO(caller_unref) struct caller *web = identified(&given);
    cr_expect_str_eq(caller_name(web), "web");
    cr_expect_str_eq(caller_credential_id(web), "dns:web");
    cr_expect(caller_has_gateway(web));
    cr_expect(!caller_may_somewhere(web, PERMISSION_DELEGATE));
    given.on_behalf = "dns:nobody";
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    given.on_behalf = ""; /* a client without credentials is not the gateway */
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_MISSING");
    given = bearing(token[0]);
    given.certificate = "dns:gate";
    given.on_behalf = "";
    AUTO(caller_unref) struct caller *billing = identified(&given);
    cr_expect_str_eq(caller_name(billing), "billing");
}

Test(access, nobody_else_speaks_for_others)
{
    struct credentials given = {.certificate = "dns:web", .on_behalf = "dns:web"};
    expect_refused(&given, STATUS_PERMISSION_DENIED, "NOT_A_GATEWAY");
    given.certificate = "";
    expect_refused(&given, STATUS_PERMISSION_DENIED, "NOT_A_GATEWAY");
    const struct credentials bearer = bearing(token[0]);
    given = (struct credentials){.certificate = "dns:gate",
                                 .gateway_authorization = bearer.authorization,
                                 .n_gateway_authorization = bearer.n_authorization,
                                 .on_behalf = "dns:web"};
    expect_refused(&given, STATUS_PERMISSION_DENIED, "NOT_A_GATEWAY");
}

Test(access, renews_a_caller)
{
    const struct credentials given = bearing(token[0]);
    AUTO(caller_unref) struct caller *old = identified(&given);
    AUTO(caller_unref) struct caller *new = NULL;
    struct status st;
    cr_assert(access_renew(rights, old, &new, &st), "%s", st.message);
    cr_expect_str_eq(caller_name(new), "billing");
    cr_expect_eq(caller_generation(new), access_generation(rights));
    cr_expect(caller_may(new, PERMISSION_READ, "prod", "billing"));
}

static void setup_anonymous(void)
{
    start(true);
}

Test(access, an_anonymous_caller_has_the_anonymous_role, .init = setup_anonymous)
{
    struct credentials given = {.certificate = ""};
    AUTO(caller_unref) struct caller *nobody = identified(&given);
    cr_expect_str_empty(caller_name(nobody));
    cr_expect_str_empty(caller_credential_id(nobody));
    cr_expect_eq(caller_credential_kind(nobody), CREDENTIAL_NONE);
    cr_expect(grants_may_everywhere(caller_grants(nobody), PERMISSION_READ));
    cr_expect(!caller_may_somewhere(nobody, PERMISSION_WRITE));
    given.certificate = "dns:nobody"; /* which TLS may ask of everybody */
    AUTO(caller_unref) struct caller *certified = identified(&given);
    cr_expect(caller_is_anonymous(certified));
    cr_expect_str_eq(caller_name(certified), "dns:nobody");
    cr_expect_eq(caller_credential_kind(certified), CREDENTIAL_CERTIFICATE);
    cr_expect_str_eq(caller_credential_id(certified), "dns:nobody");
    cr_expect(!caller_may_somewhere(certified, PERMISSION_WRITE));
    given = bearing("x"); /* a wrong credential is not none */
    expect_refused(&given, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
}

static void setup_without_file(void)
{
    const struct access_options options = {.has_anonymous = true, .anonymous = ROLE_ADMIN};
    struct status st;
    cr_assert(access_open(&options, &rights, &st));
}

/* As it was before there were rights: whatever a client shows means nothing. */
Test(access, without_a_file_all_are_anonymous, .init = setup_without_file)
{
    struct credentials given = bearing("x");
    given.on_behalf = "dns:web";
    given.certificate = "cn:ada";
    AUTO(caller_unref) struct caller *caller = identified(&given);
    cr_expect(caller_is_anonymous(caller));
    cr_expect_str_eq(caller_name(caller), "cn:ada");
    cr_expect(!caller_has_gateway(caller));
    cr_expect(grants_may_everywhere(caller_grants(caller), PERMISSION_WRITE));
    access_reload(rights);
}
