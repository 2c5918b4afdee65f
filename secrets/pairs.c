#include "pairs.h"

#include <string.h>

#include "characters.h"
#include "names.h"

#define NAME_MAX_BYTES 64
#define VALUE_MAX_BYTES 512
#define SIGNATURE_MIN 43 /* a SHA-256 in base64 */
#define STORAGE_KEY_MIN 80

const struct secret_rule *rule_of_kind(enum name_kind kind)
{
    return rule_of(kind == NAME_PASSWORD ? RULE_PASSWORD : RULE_NAMED_SECRET);
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

struct span {
    size_t start, end;
};

/* The name that ends at the separator, perhaps in quotes. */
static struct span name_before(const char *text, size_t at)
{
    size_t end = at;
    end -= end > 0 && text[end - 1] == ' ' ? 1 : 0;
    end -= end > 0 && is_quote(text[end - 1]) ? 1 : 0;
    size_t start = end;
    while (start > 0 && end - start < NAME_MAX_BYTES && is_in(text[start - 1], WORD | DOT)) {
        start--;
    }
    return (struct span){start, end};
}

/* A part of "arn:aws:…:secret:…" or of a path is no name. */
static bool is_inner(const char *text, size_t start, size_t at)
{
    return text[at] == ':' && start > 0 && (text[start - 1] == ':' || text[start - 1] == '/');
}

static bool ends_value(char c, char quote)
{
    return quote != '\0' ? c == quote : is_in(c, ENDS_VALUE);
}

/* The value behind the separator: in quotes, or up to what ends it. */
static struct span value_behind(const char *text, size_t n, size_t at)
{
    size_t start = at + 1;
    start += start < n && text[start] == ' ' ? 1 : 0;
    char quote = start < n && is_quote(text[start]) ? text[start] : '\0';
    start += quote != '\0' ? 1 : 0;
    size_t end = start;
    while (end < n && end - start < VALUE_MAX_BYTES && !ends_value(text[end], quote)) {
        end++;
    }
    return (struct span){start, end};
}

static bool is_named(const char *text, struct span name, const char *lower)
{
    size_t length = strlen(lower);
    return name.end - name.start == length && same_letters(text + name.start, lower, length);
}

/* The rules of connection strings of Azure. */
static const struct secret_rule *azure_rule(const char *text, size_t n, struct span name,
                                            struct span value)
{
    size_t length = value.end - value.start;
    if (is_named(text, name, "accountkey") && length >= STORAGE_KEY_MIN) {
        return rule_of(RULE_STORAGE_KEY);
    }
    if (is_named(text, name, "sharedaccesskey") && length >= SIGNATURE_MIN) {
        return rule_of(RULE_SHARED_ACCESS_KEY);
    }
    if (length < SIGNATURE_MIN) {
        return NULL;
    }
    bool signature = (is_named(text, name, "sig") && has_word(text, n < 4096 ? n : 4096, "se=")) ||
                     is_named(text, name, "sharedaccesssignature");
    return signature ? rule_of(RULE_SHARED_ACCESS_SIGNATURE) : NULL;
}

const struct secret_rule *pair_at(const char *text, size_t n, size_t at, size_t *ret_end)
{
    *ret_end = at;
    struct span name = name_before(text, at);
    if (name.start == name.end || is_inner(text, name.start, at)) {
        return NULL;
    }
    enum name_kind kind = name_kind(text + name.start, name.end - name.start);
    bool is_signature =
        is_named(text, name, "sig") || is_named(text, name, "sharedaccesssignature");
    if (kind == NAME_OTHER && !is_signature) {
        return NULL;
    }
    struct span value = value_behind(text, n, at);
    *ret_end = value.end;
    const char *start = text + value.start;
    size_t length = value.end - value.start;
    const struct secret_rule *rule = azure_rule(text, n, name, value);
    if (rule != NULL && !value_is_placeholder(start, length) &&
        !value_is_reference(start, length)) {
        return rule;
    }
    return value_is_secret(start, length, kind) ? rule_of_kind(kind) : NULL;
}
