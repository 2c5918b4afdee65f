/* Where secrets are found, and what is told of them. How many of which kind are found is measured
 * over a large labelled set (test_secret_set.py). No token here is real, and none stands in one
 * piece. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "secrets.h"

#define HEX32                                                                                      \
    "9f3c17ab2e8d4056"                                                                             \
    "c1d7e2f8a90b3645"
#define MAILGUN                                                                                    \
    "ke"                                                                                           \
    "y-" HEX32
#define VAULT                                                                                      \
    "hv"                                                                                           \
    "s.CAESIJ8kq2Zr7XwPmT4bN1vY"

static const struct json_limits limits = {.max_bytes = 16u << 20, .max_depth = 64};

static struct buf *json(const char *text, size_t n)
{
    struct buf *checked = NULL;
    struct status st;
    cr_assert(json_check(text, n, &limits, "text", &checked, &st), "%s", st.message);
    return checked;
}

/* "POINTER RULE" of each finding, one after the other. */
static void find(const char *text, struct str *out)
{
    AUTO(buf_unref) struct buf *object = json(text, strlen(text));
    struct secret_report report = {0};
    bool clean = secrets_find(json_of_buf(object), &report);
    cr_assert_eq(clean, report.n == 0);
    for (size_t i = 0; i < report.n; i++) {
        const struct secret_finding *finding = &report.findings[i];
        str_addf(out, "%s%s %s%s", i == 0 ? "" : ", ", finding->pointer, finding->rule->name,
                 finding->in_key ? " in a key" : "");
    }
    secret_report_fini(&report);
}

static void expect(const char *text, const char *expected)
{
    AUTO_STR found = {0};
    find(text, &found);
    cr_expect_str_eq(str_text(&found), expected, "%s: %s", text, str_text(&found));
}

Test(secrets, tells_the_place_and_the_rule)
{
    expect("{}", "");
    expect("{\"a\": 1, \"b\": [true, null, \"text\"], \"c\": {}}", "");
    expect("{\"a\": {\"b\": [1, \"" MAILGUN "\"]}}", "/a/b/1 mailgun-key");
    expect("{\"a/b\": {\"c~d\": \"" VAULT "\"}}", "/a~1b/c~0d vault-token");
    expect("{\"\": \"" VAULT "\"}", "/ vault-token");
    expect("{\"x\": [[], {}, [\"" VAULT "\"]], \"y\": \"see " MAILGUN "\"}",
           "/x/2/0 vault-token, /y mailgun-key");
}

Test(secrets, escapes_hide_nothing)
{
    expect("{\"a\": \"\\u0068v"
           "s.CAESIJ8kq2Zr7XwPmT4bN1vY\"}",
           "/a vault-token");
    expect("{\"pass\\u0077ord\": \"kT7w9Qz2m\"}", "/password password");
    expect("{\"a\\n\\u00e9\": \"x\\\"" VAULT "\\\"\"}", "/a\n\xc3\xa9 vault-token");
}

Test(secrets, pointers_end_in_front_of_keys_that_are_secrets)
{
    expect("{\"a\": {\"" VAULT "\": 1}}", "/a vault-token in a key");
    expect("{\"a\": {\"" VAULT "\": {\"b\": \"" MAILGUN "\"}}}",
           "/a vault-token in a key, /a mailgun-key");
    expect("{\"kT7w9Qz2m\": {\"password\": \"kT7w9Qz2m\"}}", " password");
    expect("{\"a\": {\"is kT7w9Qz2m\": {\"password\": \"kT7w9Qz2m\"}}}", "/a password");
}

Test(secrets, names_tell_in_any_spelling)
{
    expect("{\"password\": \"kT7w9Qz2m\"}", "/password password");
    expect("{\"DB_PASSWORD\": \"kT7w9Qz2m\"}", "/DB_PASSWORD password");
    expect("{\"dbPassword2\": \"kT7w9Qz2m\"}", "/dbPassword2 password");
    expect("{\"db.pass\": \"kT7w9Qz2m\"}", "/db.pass password");
    expect("{\"compass\": \"kT7w9Qz2m\"}", "");
    expect("{\"password_file\": \"kT7w9Qz2m\"}", "");
    expect("{\"apiKey\": \"" HEX32 "\"}", "/apiKey named-secret");
    expect("{\"api-key-value\": \"" HEX32 "\"}", "/api-key-value named-secret");
    expect("{\"checksum\": \"" HEX32 "\"}", "");
}

/* `{"xx…xxKEY": VALUE}`, the key with n characters. */
static void add_member(struct str *text, size_t n, const char *key, const char *value)
{
    str_add_text(text, "{\"");
    for (size_t i = strlen(key); i < n; i++) {
        str_add_char(text, 'x');
    }
    str_addf(text, "%s\": %s}", key, value);
}

/* A key is looked at for each value under it: it is no name if it is so long that this would take
 * long. */
Test(secrets, names_are_bounded)
{
    static const char *const values[] = {"\"kT7w9Qz2m\"", "[\"kT7w9Qz2m\"]",
                                         "{\"value\": \"kT7w9Qz2m\"}"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        AUTO_STR name = {0};
        AUTO_STR long_key = {0};
        AUTO_STR found = {0};
        add_member(&name, 256, "_password", values[i]);
        add_member(&long_key, 257, "_password", values[i]);
        find(str_text(&name), &found);
        cr_expect(strstr(str_text(&found), " password") != NULL, "%s", str_text(&found));
        expect(str_text(&long_key), "");
    }
}

Test(secrets, names_tell_from_around)
{
    expect("{\"passwords\": [\"kT7w9Qz2m\"]}", "/passwords/0 password");
    expect("{\"password\": {\"value\": \"kT7w9Qz2m\"}}", "/password/value password");
    expect("{\"password\": {\"min\": \"kT7w9Qz2m\"}}", "");
    expect("{\"secrets\": {\"stripe\": \"" HEX32 "\"}}", "/secrets/stripe named-secret");
    expect("{\"env\": [{\"name\": \"DB_PASSWORD\", \"value\": \"kT7w9Qz2m\"}]}",
           "/env/0/value password");
    expect("{\"env\": [{\"name\": \"DB_HOST\", \"value\": \"kT7w9Qz2m\"}]}", "");
}

Test(secrets, references_placeholders_and_hashes_pass)
{
    static const char *const harmless[] = {
        "",
        "${env:DB_PASSWORD}",
        "${file:/run/secrets/db}",
        "vault:kv/db2#Pass9",
        "secret://p9/Db",
        "changeme",
        "<your-password>",
        "xxxxxxxxxx",
        "password1",
        "********",
        "12345678",
        "/run/secrets/Db1",
        "sha256:9f3c17ab",
        "$2b$12$KIXQ4zqv8b1Q0y2yR5e6Uu",
        "kurz1",
        "a@example1.com",
        "9f3c17ab-2e8d-4056-a1d7-e2f8a90b3645",
        "{cipher}AQB8fz3dZ19kQp",
    };
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        AUTO_STR text = {0};
        str_addf(&text, "{\"password\": \"%s\"}", harmless[i]);
        expect(str_text(&text), "");
    }
}

Test(secrets, checksums_count)
{
    /* The published example of a token's checksum. */
    expect("{\"a\": \"gh"
           "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"
           "0mLq17\"}",
           "/a github-token");
    expect("{\"a\": \"gh"
           "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"
           "0mLq18\"}",
           "");
    expect("{\"a\": \"gh"
           "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"
           "0mLq17x\"}",
           "/a github-token");
    expect("{\"a\": \"cf"
           "r_xaB4qFvTJvgMAWBA0zGeAt71U"
           "UX1ntLybfAiDj5KYSa1WE5yi\"}",
           "/a confreg-token");
    expect("{\"a\": \"cf"
           "r_xaB4qFvTJvgMAWBA0zGeAt71U"
           "UX1ntLybfAiDj5KYSa1WE5y0\"}",
           "");
}

Test(secrets, tokens_have_boundaries)
{
    expect("{\"a\": \"x" MAILGUN "\"}", "");
    expect("{\"a\": \"" MAILGUN "0\"}", "");
    expect("{\"a\": \"x_" MAILGUN ";\"}", "/a mailgun-key");
    expect("{\"a\": \"x=" MAILGUN "&y\"}", "/a mailgun-key");
}

Test(secrets, uris_with_passwords)
{
    expect("{\"a\": \"postgres://app:kT7w9Qz2m@db/main\"}", "/a uri-password");
    expect("{\"a\": \"see redis://:kT7w9Qz2m@db:6379/0 for it\"}", "/a uri-password");
    expect("{\"a\": \"app:kT7w9Qz2m@tcp(db:3306)/main\"}", "/a uri-password");
    expect("{\"a\": \"Server=db;Password=kT7w9Qz2m;\"}", "/a password");
    expect("{\"a\": \"postgres://app:${env:P}@db/main\"}", "");
    expect("{\"a\": \"amqp://guest:guest@localhost/\"}", "");
    expect("{\"a\": \"https://a.example/x:y@z\"}", "");
    expect("{\"a\": \"https://u@a.example:8080/\"}", "");
}

/* No end of a text is passed. */
Test(secrets, cut_anywhere)
{
    static const char whole[] =
        "postgres://app:kT7w9Qz2m@db -----BEGIN EC PRIVATE "
        "KEY-----\\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZ "
        "password=\\\"kT7w9Qz2m\\\" Bearer " HEX32 " app:kT7w9Qz2m@tcp(db) 123456789:AAx " VAULT;
    for (size_t n = 0; n < strlen(whole); n++) {
        AUTO_STR text = {0};
        str_addf(&text, "{\"%.*s", (int)n, whole);
        str_add_text(&text, whole[n - (n > 0)] == '\\' && n > 0 ? "\\\": \"" : "\": \"");
        str_addf(&text, "%s\"}", whole + (whole[n - (n > 0)] == '\\' && n > 0 ? n + 1 : n));
        AUTO_STR found = {0};
        find(str_text(&text), &found);
        cr_expect_neq(found.len, 0, "%s", str_text(&text));
    }
}

Test(secrets, findings_are_bounded)
{
    AUTO_STR text = {0};
    str_add_char(&text, '{');
    for (int i = 0; i <= SECRETS_FINDINGS; i++) {
        str_addf(&text, "%s\"k%d\": \"" VAULT "\"", i == 0 ? "" : ",", i);
    }
    str_add_char(&text, '}');
    AUTO(buf_unref) struct buf *object = json(text.data, text.len);
    struct secret_report report = {0};
    cr_assert(!secrets_find(json_of_buf(object), &report));
    cr_expect_eq(report.n, SECRETS_FINDINGS);
    cr_expect(report.more);
    secret_report_fini(&report);
}

Test(secrets, pointers_are_bounded)
{
    AUTO_STR text = {0};
    for (int i = 0; i < 20; i++) {
        str_addf(&text, "{\"%0100d\":", i);
    }
    str_add_text(&text, "\"" VAULT "\"");
    for (int i = 0; i < 20; i++) {
        str_add_char(&text, '}');
    }
    AUTO(buf_unref) struct buf *object = json(text.data, text.len);
    struct secret_report report = {0};
    cr_assert(!secrets_find(json_of_buf(object), &report));
    cr_expect_eq(strlen(report.findings[0].pointer), 10 * 101 + strlen("/..."));
    secret_report_fini(&report);
}

Test(secrets, rules_come_once)
{
    AUTO_STR names = {0};
    size_t place = 0;
    for (const struct secret_rule *rule; (rule = secrets_next_rule(&place)) != NULL;) {
        AUTO_STR line = {0};
        str_addf(&line, "\n%s\n", rule->name);
        cr_expect(strstr(str_text(&names), str_text(&line)) == NULL, "%s", rule->name);
        cr_expect(rule->what[0] != '\0');
        str_add_text(&names, str_text(&line));
    }
    cr_expect_null(secrets_next_rule(&(size_t){place}));
}
