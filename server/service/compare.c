#include "compare.h"

#include <string.h>

#include "answer.h"
#include "checks.h"
#include "deferred_read.h"
#include "encode.h"

#define FIELD_COMPARED 2 /* the diff of a DiffVersionsResponse */

/* One side of a comparison. */
struct compared_side {
    const char *environment;
    struct head *head; /* owned reference; NULL: the config never existed */
    uint64_t version;
    struct buf *payload; /* owned */
};

struct version_comparison {
    struct service *service;
    const char *service_name;
    enum history_scope scope;
    struct compared_side old_side, new_side;
    struct position position;
};

static void comparison_fini(struct version_comparison *c)
{
    head_unref(c->old_side.head);
    head_unref(c->new_side.head);
    buf_unref(c->old_side.payload);
    buf_unref(c->new_side.payload);
}

/* The newest version of a config; 0: it has none. */
static uint64_t newest_of(const struct version_comparison *c, const struct head *head)
{
    return head == NULL ? 0 : history_before(head, c->scope, head->last_version + 1);
}

/* Two versions of one config. Defaults: the newest version and the second newest. */
static bool choose_within(struct version_comparison *c, struct status *st)
{
    const struct head *head = c->new_side.head;
    bool both = c->old_side.version != 0 && c->new_side.version != 0;
    if (!both && history_count(head, c->scope) < 2) {
        return status_set_outcome(st, OUTCOME_NOT_ENOUGH_VERSIONS,
                                  "%s has fewer than two versions to compare",
                                  key_name(c->new_side.environment, c->service_name).text);
    }
    if (c->new_side.version == 0) {
        c->new_side.version = newest_of(c, head);
    }
    if (c->old_side.version == 0) {
        c->old_side.version = history_before(head, c->scope, newest_of(c, head));
    }
    return true;
}

/* Two environments. Default: the head. */
static bool choose_head(const struct version_comparison *c, struct compared_side *side,
                        struct status *st)
{
    if (side->version == 0) {
        side->version = newest_of(c, side->head);
    }
    return side->version != 0 || no_such_config(side->environment, c->service_name, st);
}

static bool load(const struct version_comparison *c, struct compared_side *side, struct status *st)
{
    if (!history_has(side->head, c->scope, side->version)) {
        return no_such_version(side->environment, c->service_name, side->version, st);
    }
    if (side->version == side->head->version) {
        struct json_text payload = head_payload(side->head);
        side->payload = buf_copy(payload.data, payload.len);
        return true;
    }
    struct version_ref version = {0};
    if (!store_read_live_version(c->service->store, side->environment, c->service_name,
                                 side->version, &version, st)) {
        return false;
    }
    AUTO(commit_unref) struct commit *commit = version.commit;
    side->payload = buf_ref(version_change(&version)->payload);
    return side->payload != NULL || no_such_payload(&version, st);
}

static void send_diff(const struct version_comparison *c, struct rpc_call *call)
{
    struct diff_answer difference;
    diff_answer_init(&difference, json_of_buf(c->old_side.payload),
                     json_of_buf(c->new_side.payload));
    Confreg__V1__Diff *diff = &difference.diff;
    diff->service_name = (char *)(uintptr_t)c->service_name;
    diff->environment = (char *)(uintptr_t)key_environment(c->old_side.environment);
    diff->new_environment = (char *)(uintptr_t)key_environment(c->new_side.environment);
    diff->old_version = c->old_side.version;
    diff->new_version = c->new_side.version;
    struct answer answer = {0};
    answer_add(&answer, answer_header(c->service, &c->position));
    answer_add(&answer, encode_field(FIELD_COMPARED, &diff->base));
    answer_send(&answer, call);
    diff_answer_fini(&difference);
}

static bool choose(struct version_comparison *c, struct status *st)
{
    if (strcmp(c->old_side.environment, c->new_side.environment) == 0) {
        return choose_within(c, st);
    }
    return choose_head(c, &c->new_side, st) && choose_head(c, &c->old_side, st);
}

void compare_keys(struct service *service, struct rpc_call *call,
                  const Confreg__V1__DiffVersionsRequest *r)
{
    const char *environment = environment_or_default(r->environment);
    bool elsewhere = r->new_environment[0] != '\0';
    struct version_comparison c = {
        .service = service, .service_name = r->service_name, .scope = scope_of(r->include_deleted)};
    c.old_side = (struct compared_side){.environment = environment, .version = r->old_version};
    c.new_side = (struct compared_side){.environment = elsewhere ? r->new_environment : environment,
                                        .version = r->new_version};
    struct config_name names[] = {{c.old_side.environment, r->service_name},
                                  {c.new_side.environment, r->service_name}};
    struct head *heads[2];
    struct status st;
    registry_get_many(service->registry, names, 2, heads, &c.position);
    c.old_side.head = heads[0];
    c.new_side.head = heads[1];
    if (choose(&c, &st) && load(&c, &c.new_side, &st) && load(&c, &c.old_side, &st)) {
        send_diff(&c, call);
    } else {
        rpc_fail(call, &st);
    }
    comparison_fini(&c);
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    compare_keys(service, call, (const Confreg__V1__DiffVersionsRequest *)(const void *)message);
}

void compare_versions(struct rpc_call *call, const Confreg__V1__DiffVersionsRequest *request,
                      struct service *service)
{
    struct status st;
    if (!check_names(request->environment, request->service_name, "", &st) ||
        (request->new_environment[0] != '\0' &&
         !check_names(request->new_environment, request->service_name, "new_", &st))) {
        rpc_fail(call, &st);
        return;
    }
    read_when_ready(service, call, &request->base, request->read, READ_ON_POOL, run);
}
