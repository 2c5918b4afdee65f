/* The parts of a request that the gateway parses. Lines: target, entity tags, Cache-Control,
 * Prefer, minimum, content type; the rest is the body. The line of the tags is read as a time, too.
 */
#include "api.h"
#include "body.h"
#include "clock.h"
#include "etag.h"
#include "freshness.h"
#include "fuzz.h"
#include "query.h"
#include "target.h"
#include "utf8.h"
#include "when.h"

static void check_form(const struct invalid *invalid, enum problem_form form)
{
    static const struct json_limits limits = {1 << 20, 64};
    AUTO_STR rendered = {0};
    struct status st;
    invalid_render(invalid, 422, form, &rendered);
    AUTO(buf_unref) struct buf *checked = NULL;
    MUST(json_check(rendered.data, rendered.len, &limits, "f", &checked, &st));
}

/* A list of faults is JSON, whatever was found. */
static void check_faults(struct invalid *invalid)
{
    check_form(invalid, PROBLEM_DOCUMENTED);
    check_form(invalid, PROBLEM_RFC9457);
    invalid_fini(invalid);
}

static void try_query(const char *query, size_t n, unsigned wanted)
{
    struct parameters parameters;
    struct invalid invalid = {0};
    parameters_parse(query, n, wanted, &parameters, &invalid);
    MUST(!parameters.version.given || number_version(&parameters.version, 99) <= 99);
    parameters_fini(&parameters);
    check_faults(&invalid);
}

static void try_target(const char *raw)
{
    struct target target;
    AUTO_STR without = {0};
    target_parse(raw, &target);
    MUST(target.n_segments <= TARGET_SEGMENTS);
    target_without_slash(&target, &without);
    for (size_t i = 0; i < without.len; i++) {
        MUST((unsigned char)without.data[i] > ' ' && (unsigned char)without.data[i] < 0x7f);
    }
    for (size_t i = 0; i < api_routes.n; i++) {
        try_query(target.query, target.n_query, api_routes.rows[i].parameters);
    }
    target_fini(&target);
}

static void try_time(const char *text)
{
    int64_t us;
    bool ok = when_parse(text, 1769851120507038, &us);
    MUST(!ok || (us >= -62135596800000000 && us <= 253402300799999999));
    if (ok) {
        char shown[CLOCK_TEXT_SIZE];
        int64_t again;
        clock_format(us, shown);
        MUST(when_parse(shown, 0, &again) && again == us);
    }
}

static void try_tags(const char *list)
{
    struct etag_set match;
    struct expectation tag;
    struct number number = {0};
    struct expectation event;
    etag_set_parse(list, ETAG_WEAK, &match);
    for (size_t i = 0; i < match.n; i++) {
        MUST(strlen(match.tags[i].epoch) == EPOCH_DIGITS);
    }
    etag_set_fini(&match);
    content_encoding_is_plain(list);
    MUST(!event_id_parse(list, &event) || strlen(event.epoch) == EPOCH_DIGITS);
    enum coding coding;
    etag_list_find(list, "0123456789abcdef-1", &coding);
    etag_list_newest(list, "0123456789abcdef");
    if (etag_parse(list, strlen(list), &tag)) {
        char text[ETAG_SIZE];
        struct expectation again;
        etag_format(tag.epoch, tag.revision, text);
        MUST(etag_parse(text, strlen(text), &again) && again.revision == tag.revision);
    }
    if (number_parse(list, strlen(list), &number)) {
        MUST(number.text != NULL);
    }
    number_fini(&number);
}

static void try_freshness(const char *cache_control, const char *prefer, const char *minimum)
{
    struct freshness freshness;
    struct invalid invalid = {0};
    freshness_parse(cache_control, prefer, minimum, &freshness, &invalid);
    MUST(freshness.wait_s <= PREFER_WAIT_MAX_S);
    check_faults(&invalid);
}

static void try_body(enum body_kind kind, const char *content_type, const uint8_t *bytes, size_t n)
{
    struct body body;
    struct invalid invalid = {0};
    const struct str text = {.data = (char *)(uintptr_t)bytes, .len = n};
    body_parse(kind, n % 2 == 0, &text, content_type[0] == '\0' ? NULL : content_type, &body,
               &invalid);
    MUST(invalid.n > 0 || kind == BODY_VERSION || body.json != NULL);
    MUST(invalid.n > 0 || kind == BODY_VERSION || json_type_of(body.config_data) == JSON_OBJECT);
    MUST(invalid.n > 0 ||
         utf8_check(str_text(&body.comment), body.comment.len) == body.comment.len);
    body_fini(&body);
    check_faults(&invalid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    AUTO(free) char *target = take_line(&in, NULL);
    AUTO(free) char *tags = take_line(&in, NULL);
    AUTO(free) char *cache_control = take_line(&in, NULL);
    AUTO(free) char *prefer = take_line(&in, NULL);
    AUTO(free) char *minimum = take_line(&in, NULL);
    AUTO(free) char *content_type = take_line(&in, NULL);
    try_target(target);
    try_tags(tags);
    try_time(tags);
    try_freshness(cache_control, prefer, minimum);
    try_body(BODY_CONFIG, content_type, in.data, in.size);
    try_body(BODY_VERSION, content_type, in.data, in.size);
    try_body(BODY_PATCH, content_type, in.data, in.size);
    return 0;
}
