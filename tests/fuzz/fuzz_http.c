/* The parts of a request that the gateway parses. Lines: target, entity tags, Cache-Control,
 * Prefer, minimum, content type; the rest is the body, and a config of a door. The line of the tags
 * is read as a time, a credential and a trace, too. */
#include "api.h"
#include "body.h"
#include "clock.h"
#include "credential.h"
#include "door_request.h"
#include "etag.h"
#include "flags.h"
#include "freshness.h"
#include "fuzz.h"
#include "properties.h"
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
    struct event_id event;
    etag_set_parse(list, ETAG_WEAK, &match);
    for (size_t i = 0; i < match.n; i++) {
        MUST(strlen(match.tags[i].epoch) == EPOCH_DIGITS);
    }
    etag_set_fini(&match);
    content_encoding_is_plain(list);
    if (event_id_parse(list, &event)) {
        char text[EVENT_ID_SIZE];
        struct event_id again;
        event_id_format(&event, text);
        MUST(event_id_parse(text, &again) && strcmp(again.last.epoch, event.last.epoch) == 0 &&
             again.last.revision == event.last.revision && again.rights == event.rights);
    }
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

/* A config as flags, alone and over itself, and as properties: JSON without a name twice. */
static void try_config(const uint8_t *bytes, size_t n)
{
    static const struct json_limits limits = {1 << 20, 64};
    static const struct json_limits shown = {64 << 20, 70};
    struct status st;
    AUTO(buf_unref) struct buf *config = NULL;
    if (!json_check((const char *)bytes, n, &limits, "f", &config, &st)) {
        return;
    }
    const struct door_head head = {"prod", 1, 1, json_of_buf(config)};
    struct door_heads heads = {.items = {head, head}};
    for (heads.n = 1; heads.n <= 2; heads.n++) {
        AUTO_STR flags = {0};
        AUTO(buf_unref) struct buf *checked = NULL;
        flags_add_all(&heads, &flags);
        MUST(json_check_value(flags.data, flags.len, &shown, "f", NULL, &checked, &st));
    }
    AUTO_STR properties = {0};
    AUTO(buf_unref) struct buf *checked = NULL;
    if (properties_add(head.data, &properties)) {
        MUST(json_check(properties.data, properties.len, &shown, "f", &checked, &st));
    }
}

static void try_credential(const char *header)
{
    static struct gateway gateway;
    struct door_request d = {0};
    struct request *r = &d.config.upstream.base;
    AUTO_SECRET found = {0};
    request_init(r, &gateway, "/api/spring/a/b");
    r->method = "GET";
    r->headers.authorization = header;
    MUST(routes_find(&api_routes, r));
    credential_add(r, &found);
    MUST(strlen(str_text(&found)) == found.len);
    request_fini(r);
}

static void try_trace(const char *value)
{
    char trace[TRACEPARENT_SIZE], again[TRACEPARENT_SIZE];
    bool good = traceparent_parse(value, strlen(value), trace);
    MUST(strlen(trace) == (good ? TRACEPARENT_SIZE - 1 : 0));
    MUST(!good || traceparent_parse(trace, strlen(trace), again));
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
    try_credential(tags);
    try_trace(tags);
    try_freshness(cache_control, prefer, minimum);
    try_body(BODY_CONFIG, content_type, in.data, in.size);
    try_body(BODY_VERSION, content_type, in.data, in.size);
    try_body(BODY_PATCH, content_type, in.data, in.size);
    try_config(in.data, in.size);
    return 0;
}
