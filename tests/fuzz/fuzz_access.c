/* Access files, headers with tokens, patterns. Lines: a header; a pattern; a name; then the file.
 */
#include "access_edit.h"
#include "access_file.h"
#include "bearer.h"
#include "fuzz.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NEW_NAME "fuzz"

static void judge_header(const char *value, size_t n)
{
    const char *token = NULL;
    size_t n_token = 0;
    if (bearer_parse(value, n, &token, &n_token)) {
        MUST(n_token > 0 && token > value && token + n_token == value + n);
        MUST(memchr(token, ' ', n_token) == NULL);
        MUST(!bearer_token_check(token, n_token) || n_token == BEARER_TOKEN_LENGTH);
    }
    MUST(!bearer_token_check(value, n) || bearer_token_looks(value, n));
}

/* Says the same as pattern_matches, the plain and slow way. */
static bool matches(const char *pattern, const char *name)
{
    if (*pattern == '*') {
        return matches(pattern + 1, name) || (*name != '\0' && matches(pattern, name + 1));
    }
    return *pattern == *name && (*pattern == '\0' || matches(pattern + 1, name + 1));
}

static size_t count_stars(const char *pattern)
{
    size_t n = 0;
    for (; *pattern != '\0'; pattern++) {
        n += *pattern == '*';
    }
    return n;
}

static void judge_pattern(const char *pattern, const char *name)
{
    bool found = pattern_matches(pattern, name);
    if (count_stars(pattern) <= 3 && strlen(name) <= 64) {
        MUST(found == matches(pattern, name));
    }
}

static void judge_principals(const struct principals *principals)
{
    for (size_t i = 0; i < principals->n_tokens; i++) {
        const struct principal_token *token = &principals->tokens[i];
        MUST(principals_find_token(principals, &token->hash) == token);
        MUST(token->principal < principals->n && token->expires_us >= 0);
    }
    size_t place = 0;
    for (const struct principal_certificate *item;
         (item = table_next(&principals->certificates, &place)) != NULL;) {
        MUST(principals_find_certificate(principals, item->name) == item);
        MUST(item->principal < principals->n);
    }
    for (size_t i = 0; i < principals->n; i++) {
        struct grants grants = principals->items[i].grants;
        MUST(principals->items[i].name[0] != '\0');
        for (int p = 0; p < PERMISSIONS; p++) {
            enum permission permission = (enum permission)p;
            bool somewhere = grants_may_somewhere(grants, permission);
            MUST(somewhere || !grants_may_everywhere(grants, permission));
            MUST(somewhere || !grants_may(grants, permission, "prod", "billing"));
            MUST(!grants_may_everywhere(grants, permission) ||
                 grants_may(grants, permission, "prod", "billing"));
        }
    }
}

/* A file that is good stays good when a token is added, and keeps all that it had. */
static void judge_edit(const char *text, size_t n, const struct principals *before)
{
    const enum access_role role = ROLE_READER;
    const struct access_addition addition = {.name = NEW_NAME, .roles = &role, .n_roles = 1};
    AUTO(buf_unref) struct buf *json = NULL;
    AUTO(principals_unref) struct principals *after = NULL;
    AUTO_STR edited = {0};
    struct status st;
    struct hash hash;
    MUST(hex_decode(DIGITS, sizeof DIGITS - 1, hash.bytes, HASH_SIZE));
    if (principals_find_token(before, &hash) != NULL) {
        return;
    }
    MUST(access_file_check(text, n, &json, &st));
    MUST(access_edit_add(json_of_buf(json), &addition, DIGITS, &edited, &st));
    MUST(access_file_parse("", edited.data, edited.len, &after, &st));
    const struct principal_token *token = principals_find_token(after, &hash);
    MUST(token != NULL && strcmp(after->items[token->principal].name, NEW_NAME) == 0);
    MUST(grants_may_everywhere(after->items[token->principal].grants, PERMISSION_READ));
    MUST(after->n_tokens == before->n_tokens + 1);
    MUST(after->certificates.n == before->certificates.n);
    MUST(after->n - before->n <= 1);
    for (size_t i = 0; i < before->n; i++) {
        MUST(strcmp(after->items[i].name, before->items[i].name) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t n_header;
    AUTO(free) char *header = take_line(&in, &n_header);
    AUTO(free) char *pattern = take_line(&in, NULL);
    AUTO(free) char *name = take_line(&in, NULL);
    judge_header(header, n_header);
    judge_pattern(pattern, name);
    AUTO(principals_unref) struct principals *principals = NULL;
    struct status st;
    const char *text = in.size == 0 ? "" : (const char *)in.data;
    if (access_file_parse("", text, in.size, &principals, &st)) {
        judge_principals(principals);
        judge_edit(text, in.size, principals);
    } else {
        MUST(st.code == STATUS_UNAVAILABLE && st.message[0] != '\0');
    }
    return 0;
}
