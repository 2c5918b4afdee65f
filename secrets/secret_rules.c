#include "secret_rules.h"

#include <pthread.h>
#include <string.h>

#include "characters.h"
#include "mem.h"
#include "tokens.h"
#include "value.h"

#define RULES_MAX 250
#define NO_RULE 255
#define PLACEHOLDER_MIN 8 /* what is shorter cannot be judged */

/* A run that may be longer must not begin within another one: each place is looked at a bounded
 * number of times. */
#define LONG_RUN 64

static const struct secret_rule others[RULE_IDS] = {
    [RULE_PRIVATE_KEY] = {"private-key", "a private key"},
    [RULE_SERVICE_ACCOUNT] = {"gcp-service-account",
                              "the key of a service account of Google Cloud"},
    [RULE_JWK] = {"jwk-private-key", "a private or symmetric key as a JSON Web Key"},
    [RULE_URI_PASSWORD] = {"uri-password", "a URI or data source name with a password"},
    [RULE_STORAGE_KEY] = {"azure-storage-key", "a key of Azure Storage"},
    [RULE_SHARED_ACCESS_KEY] = {"azure-shared-access-key", "a shared access key of Azure"},
    [RULE_SHARED_ACCESS_SIGNATURE] = {"azure-shared-access-signature",
                                      "a shared access signature of Azure"},
    [RULE_PASSWORD] = {"password", "a password, by its name"},
    [RULE_NAMED_SECRET] = {"named-secret", "random text under the name of a secret"},
};

#define INDEX_SLOTS 4096

/* The token rules by their first two characters. */
static struct rule_index {
    uint8_t first[INDEX_SLOTS]; /* the first rule of the slot of two characters */
    uint8_t next[RULES_MAX];    /* the rule behind one, in the same slot */
    uint16_t start[RULES_MAX];  /* classes that must not be in front of the token */
    uint8_t length[RULES_MAX];  /* of the prefix */
    bool second[256];           /* by the second characters of marks */
} rules_index;

/* Letters and digits differ in the lower six bits, but for few. */
static size_t slot_of(const char *two)
{
    return (size_t)(two[0] & 63) << 6 | (size_t)(two[1] & 63);
}

static uint16_t start_of(const struct token_rule *rule)
{
    unsigned mask = 0;
    size_t length = strlen(rule->prefix);
    for (size_t i = 0; i < FORM_PARTS; i++) {
        const struct form_part *part = &rule->form[i];
        if (part->max > LONG_RUN && run_of(rule->prefix, length, part->mask) == length) {
            mask |= part->mask;
        }
    }
    return (uint16_t)mask;
}

static void make_index(void)
{
    _Static_assert(RULES_MAX < NO_RULE, "a byte names a rule");
    struct rule_index *index = &rules_index;
    memset(index->first, NO_RULE, sizeof index->first);
    for (size_t i = 0; i < n_mark_rules; i++) {
        index->second[(unsigned char)mark_rules[i].mark[1]] = true;
    }
    for (size_t i = n_token_rules; i-- > 0;) {
        uint8_t *first = &index->first[slot_of(token_rules[i].prefix)];
        index->next[i] = *first;
        *first = (uint8_t)i;
        index->start[i] = start_of(&token_rules[i]);
        index->length[i] = (uint8_t)strlen(token_rules[i].prefix);
    }
}

void rules_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_index);
}

const struct secret_rule *rule_of(enum rule_id id)
{
    return &others[id];
}

static bool is_token(size_t i, const char *text, size_t n, size_t at)
{
    const struct token_rule *rule = &token_rules[i];
    const char *token = text + at;
    size_t prefix = rules_index.length[i];
    if (prefix > n - at || memcmp(token, rule->prefix, prefix) != 0 ||
        (at > 0 && is_in(text[at - 1], rules_index.start[i]))) {
        return false;
    }
    size_t length = form_match(rule->form, token + prefix, n - at - prefix);
    return length > 0 &&
           (length < PLACEHOLDER_MIN || !value_is_placeholder(token + prefix, length)) &&
           (rule->check == NULL || rule->check(token, prefix + length));
}

const struct secret_rule *rules_token_at(const char *text, size_t n, size_t at)
{
    size_t i = at + 1 < n ? rules_index.first[slot_of(text + at)] : NO_RULE;
    for (; i != NO_RULE; i = rules_index.next[i]) {
        if (is_token(i, text, n, at)) {
            return &token_rules[i].rule;
        }
    }
    return NULL;
}

static bool is_marked(const struct mark_rule *rule, const char *text, size_t n, size_t at)
{
    if (rule->mark[1] != '\0' && (at + 1 >= n || rule->mark[1] != text[at + 1])) {
        return false; /* almost always */
    }
    size_t mark = strlen(rule->mark);
    if (mark > n - at || memcmp(text + at, rule->mark, mark) != 0) {
        return false;
    }
    size_t before = 0;
    while (before < at && before <= rule->before.max &&
           is_in(text[at - before - 1], rule->before.mask)) {
        before++;
    }
    if (before < rule->before.min || before > rule->before.max ||
        (before < at && is_in(text[at - before - 1], ALNUM))) {
        return false;
    }
    size_t length = form_match(rule->form, text + at + mark, n - at - mark);
    const char *token = text + at - before;
    return length > 0 && !value_is_placeholder(token, before + mark + length) &&
           (rule->check == NULL || rule->check(token, before + mark + length));
}

const struct secret_rule *rules_mark_at(const char *text, size_t n, size_t at)
{
    unsigned char second = at + 1 < n ? (unsigned char)text[at + 1] : 0;
    if (text[at] != '~' && !rules_index.second[second]) {
        return NULL; /* almost always */
    }
    for (size_t i = 0; i < n_mark_rules; i++) {
        if (mark_rules[i].mark[0] == text[at] && is_marked(&mark_rules[i], text, n, at)) {
            return &mark_rules[i].rule;
        }
    }
    return NULL;
}

/* Rule `index` of all tables, of which several may be the same; NULL: no more. */
static const struct secret_rule *rule_at(size_t index)
{
    if (index < RULE_IDS) {
        return &others[index];
    }
    index -= RULE_IDS;
    if (index < n_token_rules) {
        return &token_rules[index].rule;
    }
    index -= n_token_rules;
    return index < n_mark_rules ? &mark_rules[index].rule : NULL;
}

static bool is_repeated(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(rule_at(i)->name, rule_at(index)->name) == 0) {
            return true;
        }
    }
    return false;
}

const struct secret_rule *secrets_next_rule(size_t *place)
{
    while (rule_at(*place) != NULL && is_repeated(*place)) {
        ++*place;
    }
    return rule_at((*place)++);
}
