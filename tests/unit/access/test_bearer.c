#include <criterion/criterion.h>
#include <string.h>

#include "bearer.h"
#include "mem.h"

Test(bearer, tokens_are_new_and_well_formed)
{
    char a[BEARER_TOKEN_SIZE];
    char b[BEARER_TOKEN_SIZE];
    bearer_token_new(a);
    bearer_token_new(b);
    cr_expect_str_neq(a, b);
    cr_expect_eq(strlen(a), BEARER_TOKEN_LENGTH);
    cr_expect_eq(strncmp(a, "cfr_", 4), 0);
    cr_expect(bearer_token_check(a, BEARER_TOKEN_LENGTH));
    cr_expect(!bearer_token_check(a, BEARER_TOKEN_LENGTH - 1));
    cr_expect(!bearer_token_check("", 0));
}

/* Python: digits of int.from_bytes(bytes(32), "big") in base 62, zlib.crc32, hashlib.sha256. */
Test(bearer, a_token_that_others_made_is_one)
{
    static const char token[] = "cfr_000000000000000000000000000000000000000000014jbgo";
    cr_assert_eq(strlen(token), BEARER_TOKEN_LENGTH);
    cr_expect(bearer_token_check(token, BEARER_TOKEN_LENGTH));
}

Test(bearer, any_other_character_is_noticed)
{
    char token[BEARER_TOKEN_SIZE];
    bearer_token_new(token);
    for (size_t i = 0; i < BEARER_TOKEN_LENGTH; i++) {
        char kept = token[i];
        token[i] = kept == 'a' ? 'b' : 'a';
        cr_expect(!bearer_token_check(token, BEARER_TOKEN_LENGTH), "at %zu", i);
        cr_expect_eq(bearer_token_looks(token, BEARER_TOKEN_LENGTH), i >= 4, "at %zu", i);
        token[i] = kept;
    }
}

Test(bearer, the_id_is_the_beginning_of_the_hash)
{
    char id[BEARER_ID_DIGITS + 1];
    struct hash hash = bearer_token_hash("abc", 3);
    bearer_token_id(&hash, id);
    cr_expect_str_eq(id, "ba7816bf8f01");
}

Test(bearer, headers_are_read_as_rfc_6750_says)
{
    static const struct {
        const char *value, *token; /* NULL: refused */
    } rows[] = {
        {"Bearer abc", "abc"}, {"bearer abc", "abc"}, {"BEARER   abc", "abc"}, {"Bearer", NULL},
        {"Bearer ", NULL},     {"Bearerabc", NULL},   {"Basic abc", NULL},     {"", NULL},
        {"Bearer a b", NULL},  {" Bearer abc", NULL}, {"Bearer abc ", NULL},   {"abc", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *token = NULL;
        size_t n = 0;
        bool ok = bearer_parse(rows[i].value, strlen(rows[i].value), &token, &n);
        cr_expect_eq(ok, rows[i].token != NULL, "%s", rows[i].value);
        if (ok && rows[i].token != NULL) {
            cr_expect_eq(n, strlen(rows[i].token));
            cr_expect_eq(strncmp(token, rows[i].token, n), 0);
        }
    }
}
