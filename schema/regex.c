#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <assert.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "regex_translate.h"

/* Bytes that are looked at in a step. */
#define BYTES_PER_STEP 16
/* Backtracking points from each place of the text where a match could begin, at the first try; each
 * further try has sixteen times as many. Almost all matches end within the first. */
#define FIRST_BACKTRACKS 16

struct regex {
    pcre2_code *code;
    bool is_anchored; /* a match can begin at the start only */
    size_t window;    /* bytes that may be looked at without a backtracking point */
};

/* Without PCRE2_NO_AUTO_POSSESS a repeat could look at the whole text again from every place
 * without a backtracking point, which no limit would notice. */
static const uint32_t flags = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
                              PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                              PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_POSSESS;

static bool refuse(struct str *ret_fault, const char *why)
{
    str_clear(ret_fault);
    str_add_text(ret_fault, why);
    return false;
}

bool regex_compile(struct json_text pattern, struct regex **ret_regex, struct str *ret_fault)
{
    AUTO_STR translated = {0};
    struct regex_traits traits;
    const char *fault;
    if (pattern.len > REGEX_PATTERN_MAX) {
        return refuse(ret_fault, "the pattern is too long");
    }
    if (!regex_translate(pattern, &translated, &traits, &fault)) {
        return refuse(ret_fault, fault);
    }
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)str_text(&translated), translated.len, flags,
                                     &error, &offset, NULL);
    if (code == NULL) {
        char text[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        return refuse(ret_fault, text);
    }
    uint32_t options = 0;
    pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
    size_t fixed = traits.max_repeat > pattern.len ? traits.max_repeat : pattern.len;
    *ret_regex = mem_alloc(sizeof **ret_regex);
    **ret_regex = (struct regex){.code = code,
                                 .is_anchored = (options & PCRE2_ANCHORED) != 0,
                                 .window = traits.looks_around ? SIZE_MAX : fixed};
    return true;
}

void regex_free(struct regex *regex)
{
    if (regex != NULL) {
        pcre2_code_free(regex->code);
        free(regex);
    }
}

size_t regex_bytes(const struct regex *regex)
{
    size_t bytes = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &bytes);
    return bytes + sizeof *regex;
}

/* ---- Matchers ---- */

/* Memory and limits of matches. Each thread keeps a matcher: making one takes longer than a short
 * match. */
struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static pthread_key_t matcher_key;

static void free_matcher(void *kept)
{
    struct matcher *matcher = kept;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    free(matcher);
}

static void make_key(void)
{
    int error = pthread_key_create(&matcher_key, free_matcher);
    assert(error == 0 && "a process has keys for its threads");
}

static struct matcher *thread_matcher(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct matcher *matcher = pthread_getspecific(matcher_key);
    if (matcher != NULL) {
        return matcher;
    }
    matcher = mem_alloc(sizeof *matcher);
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    assert(matcher->data != NULL && matcher->context != NULL && "there is memory");
    pcre2_set_heap_limit(matcher->context, REGEX_HEAP_KIB);
    pcre2_set_depth_limit(matcher->context, REGEX_DEPTH);
    pthread_setspecific(matcher_key, matcher);
    return matcher;
}

/* Gives back the memory of a match that may have needed much. */
static void drop_matcher(struct matcher *matcher)
{
    pthread_setspecific(matcher_key, NULL);
    free_matcher(matcher);
}

/* ---- Matches ---- */

static enum regex_result result_of(int code)
{
    return code >= 0 ? REGEX_MATCH : code == PCRE2_ERROR_NOMATCH ? REGEX_NO_MATCH : REGEX_LIMIT;
}

/* Bounds of a try. PCRE2 counts backtracking points from each place anew, and does not tell how
 * many there were, so a part of what they could be is charged: more of it once a try has shown that
 * there are many. */
static uint64_t cost_of(const struct regex *regex, size_t n, uint32_t limit)
{
    uint64_t places = regex->is_anchored ? 1 : n + 1;
    uint64_t look = 1 + (regex->window < n ? regex->window : n) / BYTES_PER_STEP;
    return n / BYTES_PER_STEP + places * look * limit / (limit == FIRST_BACKTRACKS ? 8 : 2);
}

static int try_match(const struct regex *regex, const struct matcher *matcher,
                     struct json_text text, uint32_t limit)
{
    pcre2_set_match_limit(matcher->context, limit);
    return pcre2_match(regex->code, (PCRE2_SPTR)text.data, text.len, 0, PCRE2_NO_UTF_CHECK,
                       matcher->data, matcher->context);
}

enum regex_result regex_match(const struct regex *regex, struct json_text text, uint64_t *steps)
{
    struct matcher *matcher = thread_matcher();
    int code = PCRE2_ERROR_MATCHLIMIT;
    uint32_t limit = FIRST_BACKTRACKS;
    for (; code == PCRE2_ERROR_MATCHLIMIT && limit <= REGEX_BACKTRACKS; limit *= 16) {
        uint64_t cost = cost_of(regex, text.len, limit);
        if (cost > *steps) {
            break;
        }
        *steps -= cost;
        code = try_match(regex, matcher, text, limit);
    }
    if (limit > FIRST_BACKTRACKS * 16) { /* more than the first try */
        drop_matcher(matcher);
    }
    return result_of(code);
}
