#include "watch_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "encode.h"
#include "rights.h"
#include "utf8.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define PROGRESS_MIN_NS (NS_PER_SECOND / 10)
#define PROGRESS_MAX_SECONDS 3600

typedef bool name_checker(const char *name, size_t n, const char *field, struct status *st);

static bool take_name(const char *name, name_checker *check, size_t index, const char *field,
                      const char **ret, struct status *st)
{
    char path[64];
    *ret = NULL;
    if (name[0] == '\0') {
        return true;
    }
    snprintf(path, sizeof path, "selectors[%zu].%s", index, field);
    *ret = name;
    return check(name, strlen(name), path, st);
}

static bool take_selectors(const Confreg__V1__WatchRequest *r, struct head_filter *filters,
                           struct status *st)
{
    if (r->n_selectors > WATCH_MAX_SELECTORS) {
        status_bad_field(st, "selectors", "SELECTORS_COUNT",
                         "selectors: at most %d of them, found %zu", WATCH_MAX_SELECTORS,
                         r->n_selectors);
        return status_exceeds(st, WATCH_MAX_SELECTORS, r->n_selectors);
    }
    for (size_t i = 0; i < r->n_selectors; i++) {
        const Confreg__V1__Selector *s = r->selectors[i];
        struct head_filter *f = &filters[i];
        *f = (struct head_filter){.kind = KEY_CONFIG};
        if (!take_name(s->environment, name_check, i, "environment", &f->environment, st) ||
            !take_name(s->service_name, name_check, i, "service_name", &f->service, st) ||
            !take_name(s->service_name_prefix, name_prefix_check, i, "service_name_prefix",
                       &f->service_prefix, st)) {
            return false;
        }
    }
    return true;
}

/* The schemas beside the selected configs: those of their environments, and those for all. */
struct schema_selectors {
    struct key_text keys[WATCH_MAX_SELECTORS];
};

static void add_schemas(struct watch_spec *spec, struct schema_selectors *schemas)
{
    static const char for_all[] = {KEY_SCHEMA_MARK, '\0'};
    size_t n = spec->n_selectors;
    if (n == 0) {
        spec->selectors[spec->n_selectors++] = (struct head_filter){.kind = KEY_CONFIG};
        spec->selectors[spec->n_selectors++] = (struct head_filter){.kind = KEY_SCHEMA};
    }
    for (size_t i = 0; i < n; i++) {
        struct head_filter filter = spec->selectors[i];
        filter.kind = KEY_SCHEMA;
        if (filter.environment != NULL) {
            schemas->keys[i] = key_of_schema(filter.environment);
            filter.environment = for_all;
            spec->selectors[spec->n_selectors++] = filter;
            filter.environment = schemas->keys[i].text;
        }
        spec->selectors[spec->n_selectors++] = filter;
    }
}

/* UINT64_MAX + 1 would wrap to 0, which means "from now on". */
static bool check_not_last(uint64_t revision, struct status *st)
{
    if (revision < UINT64_MAX) {
        return true;
    }
    status_bad_field(st, "resume_after.revision", "",
                     "resume_after.revision: no commit can follow %" PRIu64, revision);
    status_become(st, OUTCOME_REVISION_AHEAD);
    return false;
}

/* Members beside a token must be unset or equal to it. They are not if a client kept them in
 * numbers with less than 64 bits; its position could then mean another commit. */
static bool read_token(const Confreg__V1__Position *after, struct parsed_position *ret,
                       struct status *st)
{
    if (!parse_position_token(after->token, ret)) {
        return status_bad_field(st, "resume_after.token", "POSITION_TOKEN",
                                "resume_after.token: not the token of a position");
    }
    if ((after->revision != 0 && after->revision != ret->revision) ||
        (after->chain_hash != 0 && after->chain_hash != ret->chain) ||
        (after->epoch[0] != '\0' && strcmp(after->epoch, ret->epoch) != 0)) {
        return status_bad_field(st, "resume_after", "POSITION_ROUNDED",
                                "resume_after: its numbers differ from its token; a client that "
                                "rounds 64-bit integers must send the token alone");
    }
    return true;
}

static bool take_after(const struct service *service, const Confreg__V1__Position *after,
                       struct watch_spec *spec, struct status *st)
{
    struct parsed_position position = {.revision = after->revision, .chain = after->chain_hash};
    const char *epoch = after->epoch;
    if (after->token[0] != '\0') {
        if (!read_token(after, &position, st)) {
            return false;
        }
        epoch = position.epoch;
    }
    spec->start = position.revision + 1;
    spec->chain = position.chain;
    spec->rights = position.rights;
    return check_epoch(service, epoch, "resume_after.epoch", st) &&
           check_not_last(position.revision, st);
}

static bool take_start(const struct service *service, const Confreg__V1__WatchRequest *r,
                       struct watch_spec *spec, struct status *st)
{
    const Confreg__V1__Position *after = r->resume_after;
    bool starts = r->start_revision != 0;
    if (starts + (after != NULL) + r->include_snapshot > 1) {
        return status_bad_field(st, after != NULL ? "resume_after" : "start_revision",
                                "START_AMBIGUOUS",
                                "only one of start_revision, resume_after and include_snapshot");
    }
    if (!check_epoch(service, r->epoch, "epoch", st)) {
        return false;
    }
    spec->snapshot = r->include_snapshot;
    spec->start = r->start_revision;
    if (after != NULL && !take_after(service, after, spec, st)) {
        return false;
    }
    return spec->start == 0 || registry_check_start(service->registry, spec->start, st);
}

static bool take_progress(const Confreg__V1__WatchRequest *r, struct watch_wishes *wishes,
                          struct status *st)
{
    const Google__Protobuf__Duration *interval = r->progress_interval;
    if (interval == NULL) {
        return true;
    }
    bool is_sane = interval->seconds >= 0 && interval->seconds <= PROGRESS_MAX_SECONDS &&
                   interval->nanos >= 0 && interval->nanos < NS_PER_SECOND;
    wishes->progress_ns = is_sane ? interval->seconds * NS_PER_SECOND + interval->nanos : 0;
    if (wishes->progress_ns >= PROGRESS_MIN_NS &&
        wishes->progress_ns <= PROGRESS_MAX_SECONDS * NS_PER_SECOND) {
        return true;
    }
    return status_bad_field(st, "progress_interval", "PROGRESS_INTERVAL",
                            "progress_interval: 0.1 s to 1 h, found %lld s and %d ns",
                            (long long)interval->seconds, (int)interval->nanos);
}

/* A change in environment "default" concerns the resolved configs of every environment, so a watch
 * that resolves must name the environments. */
static bool check_environments(const Confreg__V1__WatchRequest *r, struct status *st)
{
    char path[64] = "selectors";
    bool named = r->n_selectors > 0;
    for (size_t i = 0; i < r->n_selectors && named; i++) {
        named = r->selectors[i]->environment[0] != '\0';
        snprintf(path, sizeof path, "selectors[%zu].environment", i);
    }
    return named || status_bad_field(st, path, "RESOLVE_WITHOUT_ENVIRONMENT",
                                     "%s: a watch that resolves must name its environments", path);
}

static bool take_wishes(const Confreg__V1__WatchRequest *r, struct watch_wishes *wishes,
                        struct status *st)
{
    wishes->include_previous = r->include_previous;
    wishes->include_large = r->include_large;
    wishes->conflate = r->conflate;
    if (r->conflate && r->include_previous) {
        return status_bad_field(st, "include_previous", "CONFLATE_WITH_PREVIOUS",
                                "include_previous: the value before a single change means nothing "
                                "where changes are left out; not together with conflate");
    }
    wishes->resolve = r->resolve;
    if (r->resolve && r->include_schemas) {
        return status_bad_field(st, "include_schemas", "RESOLVE_WITH_SCHEMAS",
                                "include_schemas: not together with resolve");
    }
    return take_progress(r, wishes, st) && (!r->resolve || check_environments(r, st));
}

static bool take_id(const char *id, struct watch_spec *spec, struct status *st)
{
    spec->id = id;
    return text_check(id, strlen(id), WATCH_ID_MAX_BYTES, "watch_id", st);
}

void watch_call(struct rpc_call *call, const Confreg__V1__WatchRequest *request,
                struct service *service)
{
    struct head_filter filters[3 * WATCH_MAX_SELECTORS];
    struct schema_selectors schemas;
    struct watch_spec spec = {.selectors = filters,
                              .n_selectors = request->n_selectors,
                              .caller = admission_caller(call)};
    struct status st;
    if (!take_selectors(request, filters, &st) || !take_start(service, request, &spec, &st) ||
        !take_wishes(request, &spec.wishes, &st) || !take_id(request->watch_id, &spec, &st)) {
        rpc_fail(call, &st);
        return;
    }
    if (request->include_schemas) {
        add_schemas(&spec, &schemas);
    }
    hub_open(service->hub, call, &spec);
}

void watch_progress_call(struct rpc_call *call, const Confreg__V1__WatchProgressRequest *request,
                         struct service *service)
{
    struct status st;
    size_t n = strlen(request->watch_id);
    if (n == 0 || n > WATCH_ID_MAX_BYTES) {
        status_bad_field(&st, "watch_id", "WATCH_ID", "watch_id: 1 to %d bytes, found %zu",
                         WATCH_ID_MAX_BYTES, n);
        status_exceeds(&st, WATCH_ID_MAX_BYTES, n);
        rpc_fail(call, &st);
        return;
    }
    hub_ask_progress(service->hub, call, admission_caller(call), request->watch_id);
}
