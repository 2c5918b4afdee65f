#include "freshness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config_request.h"
#include "prefer.h"

/* ---- What a request says ---- */

/* Takes the next item, trimmed, of a list separated by commas; false at its end. */
static bool next_item(const char **list, const char **ret_item, size_t *ret_n)
{
    *list += strspn(*list, " \t,");
    *ret_item = *list;
    *list += strcspn(*list, ",");
    size_t n = (size_t)(*list - *ret_item);
    while (n > 0 && ((*ret_item)[n - 1] == ' ' || (*ret_item)[n - 1] == '\t')) {
        n--;
    }
    *ret_n = n;
    return n > 0;
}

static bool says_no_cache(const char *cache_control)
{
    static const char word[] = "no-cache";
    const char *item;
    size_t n;
    while (next_item(&cache_control, &item, &n)) {
        if (n == sizeof word - 1 && strncasecmp(item, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static unsigned seconds_of(const char *digits, size_t n)
{
    unsigned seconds = 0;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return 0;
        }
        seconds = seconds * 10 + (unsigned)(digits[i] - '0');
        if (seconds > PREFER_WAIT_MAX_S) {
            seconds = PREFER_WAIT_MAX_S;
        }
    }
    return seconds;
}

static unsigned preferred_wait(const char *prefer)
{
    AUTO_STR value = {0};
    return prefer_find(prefer, "wait", &value) ? seconds_of(str_text(&value), value.len) : 0;
}

void freshness_parse(const char *cache_control, const char *prefer, const char *minimum,
                     struct freshness *ret, struct invalid *invalid)
{
    *ret = (struct freshness){.bounded = minimum != NULL};
    if (cache_control != NULL) {
        ret->no_cache = says_no_cache(cache_control);
    }
    if (prefer != NULL) {
        ret->wait_s = preferred_wait(prefer);
    }
    if (minimum != NULL && !etag_parse(minimum, strlen(minimum), &ret->minimum)) {
        invalid_add(invalid, "header", "X-Config-Min-Revision", FAULT_REVISION,
                    "Input should be a value of X-Config-Revision");
    }
}

/* ---- What the mirror may answer ---- */

/* A position of another log is binding only while the mirror cannot know whether that log has been
 * replaced. A mirror in step knows it from the server. */
static bool reaches_handed_out(const struct handed_out *handed, const struct mirror_view *view)
{
    if (strcmp(handed->epoch, view->epoch) == 0) {
        return view->revision >= handed->revision;
    }
    return handed->epoch[0] == '\0' || view->state == MIRROR_IN_STEP;
}

bool freshness_allows(const struct config_request *c, const struct mirror_view *view)
{
    const struct request *r = &c->upstream.base;
    const struct freshness *f = &c->freshness;
    if (f->no_cache || view->state == MIRROR_LOADING ||
        !reaches_handed_out(&r->gateway->upstream->handed, view)) {
        return false;
    }
    if (f->bounded &&
        (strcmp(f->minimum.epoch, view->epoch) != 0 || view->revision < f->minimum.revision)) {
        return false;
    }
    /* A client that names a newer revision must not get an older answer. */
    return r->headers.if_none_match == NULL ||
           etag_list_newest(r->headers.if_none_match, view->epoch) <= view->revision;
}

void freshness_describe(struct request *r, const struct mirror_view *view)
{
    if (view->state == MIRROR_IN_STEP) {
        return;
    }
    char age[24];
    snprintf(age, sizeof age, "%" PRId64, view->age_ms / 1000);
    request_add_header(r, "Age", age);
    request_add_header(r, "Warning", "110 - \"Response is Stale\"");
}
