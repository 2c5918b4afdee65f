#include "secret_policy.h"

#include <string.h>

#include "grants.h"

#define ITEMS_MAX 64

struct policy_item {
    char *pattern; /* owned */
    enum secret_mode mode;
};

struct secret_policy {
    struct policy_item items[ITEMS_MAX];
    size_t n;
    enum secret_mode others; /* of environments without a pattern */
    bool has_others;
};

void secret_policy_free(struct secret_policy *policy)
{
    for (size_t i = 0; policy != NULL && i < policy->n; i++) {
        free(policy->items[i].pattern);
    }
    free(policy);
}

static bool parse_mode(const char *text, size_t n, enum secret_mode *ret_mode)
{
    static const char *const names[] = {
        [SECRETS_WARN] = "warn", [SECRETS_REFUSE] = "refuse", [SECRETS_OFF] = "off"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0) {
            *ret_mode = (enum secret_mode)i;
            return true;
        }
    }
    return false;
}

static bool is_wrong(const char *text, size_t n, const char *what, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "SECRETS_OPTION", "--secrets: \"%.*s\" %s",
                      (int)(n < 100 ? n : 100), text, what);
}

/* Adds "MODE" or "PATTERN=MODE". */
static bool add_item(struct secret_policy *policy, const char *text, size_t n, struct status *st)
{
    const char *sign = memchr(text, '=', n);
    size_t n_pattern = sign == NULL ? 0 : (size_t)(sign - text);
    size_t start = sign == NULL ? 0 : n_pattern + 1;
    enum secret_mode mode;
    if (!parse_mode(text + start, n - start, &mode)) {
        return is_wrong(text, n, "is neither MODE nor PATTERN=MODE, with refuse, warn or off", st);
    }
    if (sign == NULL) {
        bool again = policy->has_others;
        policy->others = mode;
        policy->has_others = true;
        return !again || is_wrong(text, n, "is a second mode for all others", st);
    }
    if (!pattern_check(text, n_pattern, "--secrets", st)) {
        return false;
    }
    if (policy->n == ITEMS_MAX) {
        return is_wrong(text, n, "is one pattern too many: there can be 64", st);
    }
    policy->items[policy->n++] = (struct policy_item){mem_text(text, n_pattern), mode};
    return true;
}

bool secret_policy_parse(const char *text, struct secret_policy **ret_policy, struct status *st)
{
    AUTO(secret_policy_free) struct secret_policy *policy = mem_zalloc(sizeof *policy);
    for (const char *item = text;; item++) {
        size_t n = strcspn(item, ",");
        if (!add_item(policy, item, n, st)) {
            return false;
        }
        item += n;
        if (*item == '\0') {
            break;
        }
    }
    *ret_policy = MOVE(policy);
    return true;
}

enum secret_mode secret_policy_mode(const struct secret_policy *policy, const char *environment)
{
    if (policy == NULL) {
        return SECRETS_WARN;
    }
    for (size_t i = 0; i < policy->n; i++) {
        if (pattern_matches(policy->items[i].pattern, environment)) {
            return policy->items[i].mode;
        }
    }
    return policy->others;
}
