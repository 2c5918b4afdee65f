#include "find_broken.h"

#include "admission.h"
#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "overlay.h"
#include "schema_trial.h"
#include "value_search.h"

/* A search with the trial whose schema counts; NULL: the schemas in force do. */
struct breach_search {
    struct value_search search;
    const struct schema_trial *trial;
    const struct caller *caller;
    uint64_t checked; /* values */
};

static void add_breach(struct value_search *search, const struct found_value *value,
                       const struct value_violation *violation, bool is_resolved)
{
    Confreg__V1__Breach message;
    confreg__v1__breach__init(&message);
    message.environment = (char *)(uintptr_t)head_environment(value->head);
    message.service_name = (char *)(uintptr_t)head_service(value->head);
    message.version = value->version;
    message.revision = value->revision;
    message.pointer = violation->pointer;
    message.rule = violation->rule;
    message.description = violation->message;
    message.superseded = value->superseded;
    message.resolved = is_resolved;
    value_search_add(search, encode_field(SEARCH_FIELD_FOUND, &message.base));
}

/* Checks a value by the schema that counts. */
static void check(struct breach_search *breaches, const struct found_value *value,
                  struct value_report *report, bool *ret_resolved)
{
    const char *environment = head_environment(value->head);
    const char *service = head_service(value->head);
    if (breaches->trial == NULL) {
        registry_keeps_schema(breaches->search.service->registry, value->head, report,
                              ret_resolved);
        breaches->checked++;
    } else if (schema_trial_concerns(breaches->trial, environment, service)) {
        schema_trial_check(breaches->trial, environment, service, value->json, report,
                           ret_resolved);
        breaches->checked++;
    }
}

/* The faults of a resolved value are told to callers who may read both layers. */
static bool may_know(const struct breach_search *breaches, const struct found_value *value,
                     bool is_resolved)
{
    return !is_resolved || caller_may(breaches->caller, PERMISSION_READ, DEFAULT_ENVIRONMENT,
                                      head_service(value->head));
}

static void visit(struct value_search *search, const struct found_value *value)
{
    struct breach_search *breaches = CONTAINER_OF(search, struct breach_search, search);
    struct value_report report = {0};
    bool is_resolved = false;
    check(breaches, value, &report, &is_resolved);
    if (!may_know(breaches, value, is_resolved)) {
        search->view.extent = VIEW_PART;
    } else {
        for (size_t i = 0; i < report.n; i++) {
            add_breach(search, value, &report.violations[i], is_resolved);
        }
    }
    value_report_fini(&report);
}

/* ---- TrySchema ---- */

static uint64_t filter_of_trial(const struct service *service, const struct rpc_call *call,
                                const Confreg__V1__TrySchemaRequest *r)
{
    Confreg__V1__TrySchemaRequest filters = *r;
    filters.page_size = 0;
    filters.page_token = (char *)(uintptr_t) "";
    filters.read = NULL;
    return page_filter_of(service, call, "TrySchema", &filters.base);
}

/* The number of values that were checked for the page. */
static struct buf *count_checked(struct value_search *search)
{
    Confreg__V1__TrySchemaResponse response;
    confreg__v1__try_schema_response__init(&response);
    response.checked_count = CONTAINER_OF(search, struct breach_search, search)->checked;
    return encode_message(&response.base);
}

/* text: NULL: the schema is deleted. */
static bool parse_schema(ProtobufCBinaryData data, struct buf **ret_text, struct status *st)
{
    const struct json_limits limits = {RULE_MAX_BYTES, RULE_MAX_DEPTH};
    *ret_text = NULL;
    return data.len == 0 ||
           json_check((const char *)data.data, data.len, &limits, "schema", ret_text, st);
}

static void run_trial(struct service *service, struct rpc_call *call,
                      const ProtobufCMessage *message)
{
    const Confreg__V1__TrySchemaRequest *r = (const void *)message;
    const struct key_text key = key_of_schema(r->environment);
    AUTO(buf_unref) struct buf *text = NULL;
    struct status st;
    if (!parse_schema(r->schema, &text, &st)) {
        rpc_fail(call, &st);
        return;
    }
    AUTO(schema_trial_free)
    struct schema_trial *trial =
        schema_trial_new(service->registry, key.text, r->service_name, text);
    if (!rights_check_references(call, trial, &st) || !schema_trial_is_right(trial, &st)) {
        rpc_fail(call, &st);
        return;
    }
    struct breach_search breaches = {.search = {.service = service,
                                                .filter = schema_trial_filter(trial),
                                                .with_versions = r->include_superseded,
                                                .left = page_items(r->page_size),
                                                .visit = visit,
                                                .token_filter = filter_of_trial(service, call, r),
                                                .page_token = r->page_token},
                                     .trial = trial,
                                     .caller = admission_caller(call)};
    value_search_answer(&breaches.search, call, count_checked);
}

void try_schema(struct rpc_call *call, const Confreg__V1__TrySchemaRequest *request,
                struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_schema_names(request->environment, request->service_name, "", &st) ||
        !page_revision(service, request->page_token, filter_of_trial(service, call, request),
                       &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run_trial);
}

/* ---- FindBroken ---- */

static struct search_request search_request_of(const Confreg__V1__FindBrokenRequest *r)
{
    return (struct search_request){.message = &r->base,
                                   .read = r->read,
                                   .list = "broken",
                                   .environment = r->environment,
                                   .service = r->service_name,
                                   .service_prefix = r->service_name_prefix,
                                   .page_size = r->page_size,
                                   .page_token = r->page_token};
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const struct search_request request = search_request_of((const void *)message);
    struct breach_search breaches = {.search = value_search_of(service, call, &request),
                                     .caller = admission_caller(call)};
    breaches.search.visit = visit;
    value_search_answer(&breaches.search, call, NULL);
}

void find_broken(struct rpc_call *call, const Confreg__V1__FindBrokenRequest *request,
                 struct service *service)
{
    const struct search_request searched = search_request_of(request);
    value_search_start(service, call, &searched, run);
}
