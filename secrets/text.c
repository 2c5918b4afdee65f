#include "text.h"

#include <string.h>

#include "characters.h"
#include "hash.h"
#include "pairs.h"
#include "value.h"

#define LABEL_MAX 48      /* of a PEM: "RSA PRIVATE KEY" */
#define PEM_HEADERS 1024  /* what may be in front of the key's base64 */
#define PEM_LINE 40       /* base64 that makes a key of a label */
#define USER_INFO_MAX 512 /* of a URI */

struct search {
    const char *text;
    size_t n;
    size_t judged; /* pairs up to here are part of a value that was judged */
    size_t info;   /* behind the last character that USER:PASSWORD cannot have */
};

static bool follows(const struct search *s, size_t at, const char *literal)
{
    size_t length = strlen(literal);
    return length <= s->n - at && memcmp(s->text + at, literal, length) == 0;
}

/* ---- Private keys ---- */

/* Whether a run of base64 that is long enough for a key comes soon. */
static bool has_key_material(const struct search *s, size_t at)
{
    size_t end = s->n - at < PEM_HEADERS ? s->n : at + PEM_HEADERS;
    while (at < end) {
        size_t run =
            run_of(s->text + at, s->n - at < PEM_LINE ? s->n - at : PEM_LINE, BASE64 | EQUALS);
        if (run == PEM_LINE) {
            return true;
        }
        at += run + 1;
    }
    return false;
}

/* "-----BEGIN … PRIVATE KEY…-----" or "---- BEGIN … PRIVATE KEY ----" and a key. */
static const struct secret_rule *private_key_at(const struct search *s, size_t at)
{
    bool is_dashes = at + 1 < s->n && s->text[at + 1] == '-';
    if (!is_dashes || (at > 0 && s->text[at - 1] == '-')) {
        return NULL;
    }
    at += run_of(s->text + at, s->n - at < 5 ? s->n - at : 5, DASH);
    at += at < s->n && s->text[at] == ' ' ? 1 : 0;
    if (!follows(s, at, "BEGIN ")) {
        return NULL;
    }
    at += strlen("BEGIN ");
    size_t most = s->n - at < LABEL_MAX ? s->n - at : LABEL_MAX;
    const char *dash = memchr(s->text + at, '-', most);
    if (dash == NULL || !has_word(s->text + at, (size_t)(dash - s->text) - at, "private key") ||
        !has_key_material(s, (size_t)(dash - s->text))) {
        return NULL;
    }
    static const char type[] = "\"service_account\"";
    bool is_account = memmem(s->text, s->n, type, strlen(type)) != NULL;
    return rule_of(is_account ? RULE_SERVICE_ACCOUNT : RULE_PRIVATE_KEY);
}

/* ---- URIs and data source names ---- */

/* Passwords that are the user's name, as "guest:guest", or stand for others are none. */
static bool is_password_of(const char *user, size_t n_user, const char *password, size_t n_password)
{
    bool same = n_user == n_password && secret_equal(user, password, n_user);
    return n_password > 0 && !same && !value_is_placeholder(password, n_password) &&
           !value_is_reference(password, n_password);
}

/* USER:PASSWORD, which ends in front of an '@'. */
static bool has_password(const char *start, const char *end)
{
    const char *colon = memchr(start, ':', (size_t)(end - start));
    return colon != NULL &&
           is_password_of(start, (size_t)(colon - start), colon + 1, (size_t)(end - colon - 1));
}

/* Judges USER:PASSWORD@HOST behind "://". */
static const struct secret_rule *authority_at(const struct search *s, size_t at)
{
    size_t end = at;
    size_t sign = 0;
    while (end < s->n && end - at < USER_INFO_MAX && !is_in(s->text[end], ENDS_HOST)) {
        sign = s->text[end] == '@' ? end : sign;
        end++;
    }
    return sign > 0 && has_password(s->text + at, s->text + sign) ? rule_of(RULE_URI_PASSWORD)
                                                                  : NULL;
}

/* USER:PASSWORD@tcp(HOST), as Go's driver of MySQL has it. */
static const struct secret_rule *data_source_at(const struct search *s, size_t at)
{
    if (!follows(s, at, "@tcp(") && !follows(s, at, "@unix(")) {
        return NULL;
    }
    size_t start = at - s->info < USER_INFO_MAX ? s->info : at - USER_INFO_MAX;
    return has_password(s->text + start, s->text + at) ? rule_of(RULE_URI_PASSWORD) : NULL;
}

static bool ends_user_info(char c)
{
    return is_in(c, BLANK) || c == '"' || c == '\'' || c == '=' || c == ',' || c == ';';
}

/* ---- The search ---- */

static const struct secret_rule *pair(struct search *s, size_t at)
{
    return at < s->judged ? NULL : pair_at(s->text, s->n, at, &s->judged);
}

/* Judges what a character that is no letter or digit can be a sign of. */
static const struct secret_rule *sign_at(struct search *s, size_t at)
{
    const struct secret_rule *rule = NULL;
    switch (s->text[at]) {
    case '=':
        return pair(s, at);
    case ':':
        if (follows(s, at, "://")) {
            return authority_at(s, at + 3);
        }
        rule = rules_mark_at(s->text, s->n, at);
        return rule != NULL ? rule : pair(s, at);
    case '-':
        rule = private_key_at(s, at);
        return rule != NULL ? rule : rules_mark_at(s->text, s->n, at);
    case '.':
    case '~':
        return rules_mark_at(s->text, s->n, at);
    case '@':
        return data_source_at(s, at);
    default:
        return NULL;
    }
}

const struct secret_rule *text_search(const char *text, size_t n)
{
    struct search s = {.text = text, .n = n};
    const struct secret_rule *rule = NULL;
    for (size_t at = 0; at < n && rule == NULL;) {
        size_t word = run_of(text + at, n - at, ALNUM);
        rule = word > 0 ? rules_token_at(text, n, at) : sign_at(&s, at);
        at += word > 0 ? word : 1;
        s.info = word == 0 && ends_user_info(text[at - 1]) ? at : s.info;
    }
    return rule;
}
