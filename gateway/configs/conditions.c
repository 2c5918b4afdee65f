#include "conditions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config_request.h"

#define REVISION_NEVER UINT64_MAX /* no head ever has it */

void conditions_parse(const char *if_match, const char *if_none_match, struct conditions *ret,
                      struct invalid *invalid)
{
    *ret = (struct conditions){0};
    etag_set_parse(if_match, ETAG_STRONG, &ret->match);
    etag_set_parse(if_none_match, ETAG_WEAK, &ret->none);
    /* A malformed If-Match matches nothing, which is safe. A malformed If-None-Match would match
     * nothing, too, and so let the write pass. */
    if (ret->none.malformed) {
        invalid_add(invalid, "header", "If-None-Match", FAULT_TAG,
                    "Input should be \"*\" or entity tags in double quotes");
    }
}

void conditions_fini(struct conditions *conditions)
{
    etag_set_fini(&conditions->match);
    etag_set_fini(&conditions->none);
}

/* st: the server's refusal, which reports the current head; NULL: it was not asked. */
static void refuse(struct request *r, const struct status *st)
{
    const struct conditions *c = &config_request_of(r)->conditions;
    const char *why = c->match.given && c->none.given
                          ? "The configuration is not as If-Match and If-None-Match allow"
                      : c->match.given ? "The configuration is not the one that If-Match names"
                                       : "The configuration is one that If-None-Match names";
    if (st == NULL) {
        request_refuse(r, 412, "REVISION_MISMATCH", "%s", why);
    } else {
        request_refuse_status(r, 412, st, "%s", why);
    }
}

static bool allow(const struct conditions *c, const struct expectation *head)
{
    return (!c->match.given || etag_set_has(&c->match, head)) && !etag_set_has(&c->none, head);
}

/* The first head that the conditions allow, to be expected first; NULL: they allow none. */
static const struct expectation *first_match(const struct conditions *c)
{
    for (size_t i = 0; i < c->match.n; i++) {
        if (allow(c, &c->match.tags[i])) {
            return &c->match.tags[i];
        }
    }
    return NULL;
}

/* Chooses what the first attempt expects. False if neither a head nor a missing config can satisfy
 * the conditions. */
static bool begin(struct conditions *c)
{
    static const struct expectation never = {.revision = REVISION_NEVER};
    const struct expectation *first = NULL;
    if (c->match.given && c->none.any) {
        return false;
    }
    if (c->match.given && !c->match.any) {
        first = first_match(c);
        if (first == NULL) {
            return false;
        }
    } else if (c->match.given || c->none.given) {
        first = &never;
    }
    if (first != NULL) {
        c->expected = *first;
    }
    return true;
}

bool conditions_expect(struct request *r, char **ret_epoch, uint64_t *ret_revision)
{
    struct conditions *c = &config_request_of(r)->conditions;
    if (c->n_attempts == 0 && !begin(c)) {
        refuse(r, NULL);
        return false;
    }
    c->n_attempts++;
    assert(c->n_attempts <= CONDITIONS_ATTEMPTS && "the last attempt is not tried again");
    *ret_epoch = c->expected.epoch;
    *ret_revision = c->expected.revision;
    return true;
}

/* ---- After a refusal ---- */

/* The current state of the config, as the refusal reports it. */

struct current_state {
    struct expectation head;
    bool exists;
};

static const char *info_of(const struct status *st, const char *key)
{
    for (size_t i = 0; i < st->n_info; i++) {
        if (strcmp(st->info[i].key, key) == 0) {
            return st->info[i].value;
        }
    }
    return NULL;
}

/* False if the refusal does not report the current head. */
static bool read_found(const struct status *st, struct current_state *found)
{
    const char *epoch = info_of(st, "current_epoch");
    const char *revision = info_of(st, "current_revision");
    const char *version = info_of(st, "current_version");
    *found = (struct current_state){0};
    if (epoch == NULL || revision == NULL || version == NULL) {
        return false;
    }
    strncpy(found->head.epoch, epoch, EPOCH_DIGITS);
    found->head.revision = strtoull(revision, NULL, 10);
    found->exists = strcmp(version, "0") != 0;
    return true;
}

enum condition_refusal { REFUSED_HEAD, REFUSED_MISSING, REFUSED_OTHERWISE };

static enum condition_refusal refusal_of(const struct status *st)
{
    switch (st->outcome) {
    case OUTCOME_REVISION_MISMATCH:
    case OUTCOME_EPOCH_MISMATCH:
    case OUTCOME_CONFIG_EXISTS:
        return REFUSED_HEAD;
    case OUTCOME_CONFIG_NOT_FOUND:
        return REFUSED_MISSING;
    default:
        return REFUSED_OTHERWISE;
    }
}

static enum conditions_next decide(struct request *r, const struct status *st,
                                   const struct current_state *found)
{
    struct conditions *c = &config_request_of(r)->conditions;
    if (!found->exists && !c->match.given) {
        return CONDITIONS_MISSING;
    }
    if (!found->exists || !allow(c, &found->head)) {
        refuse(r, st);
        return CONDITIONS_ANSWERED;
    }
    if (c->n_attempts == CONDITIONS_ATTEMPTS) {
        request_add_header(r, "Retry-After", "1");
        request_refuse_status(r, 503, st,
                              "Nothing was written: other writes came first, %d times in a row",
                              CONDITIONS_ATTEMPTS);
        return CONDITIONS_ANSWERED;
    }
    c->expected = found->head;
    return CONDITIONS_RETRY;
}

enum conditions_next conditions_after(struct request *r, const struct status *st)
{
    const struct conditions *c = &config_request_of(r)->conditions;
    struct current_state found = {0};
    enum condition_refusal refusal = refusal_of(st);
    bool given = c->match.given || c->none.given;
    if (refusal == REFUSED_OTHERWISE || (refusal == REFUSED_HEAD && !given)) {
        return CONDITIONS_OTHER;
    }
    if (refusal == REFUSED_HEAD && !read_found(st, &found)) {
        return CONDITIONS_OTHER;
    }
    return decide(r, st, &found);
}

bool conditions_finds_none(const struct status *st)
{
    struct current_state found;
    enum condition_refusal refusal = refusal_of(st);
    return refusal == REFUSED_MISSING ||
           (refusal == REFUSED_HEAD && read_found(st, &found) && !found.exists);
}

bool conditions_refuse_existing(struct request *r, const struct status *st)
{
    struct current_state found;
    const struct etag_set *none = &config_request_of(r)->conditions.none;
    bool forbidden = none->any || (read_found(st, &found) && etag_set_has(none, &found.head));
    if (forbidden) {
        refuse(r, st);
    }
    return forbidden;
}
