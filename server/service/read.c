#include "read.h"

#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "call_account.h"
#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "fill_defaults.h"
#include "overlay.h"
#include "rights.h"

#define FIELD_SOURCES 3 /* of GetConfigResponse */

#define BATCH_NAMES 1000

/* ---- GetConfig ---- */

static struct buf *ref_config(const struct head *head)
{
    return buf_ref(head->encoded);
}

/* Sends a config, whose reference moves, with defaults if the request wants them. sources: further
 * pieces of the response; they move. */
static void send_config(struct service *service, struct rpc_call *call,
                        const Confreg__V1__GetConfigRequest *r, const struct position *position,
                        struct buf *config, struct answer *sources)
{
    struct answer answer = {0};
    struct answer pointers = {0};
    struct status st;
    answer_add(&answer, answer_header(service, position));
    if (r->apply_defaults && !fill_defaults(service, &config, &pointers, &st)) {
        buf_unref(config);
        answer_drop(&answer);
        answer_drop(sources);
        rpc_fail(call, &st);
        return;
    }
    answer_add(&answer, config);
    answer_append(&answer, sources);
    answer_append(&answer, &pointers);
    answer_send(&answer, call);
}

static void get_head(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *message)
{
    const Confreg__V1__GetConfigRequest *r = (const void *)message;
    struct config_name name = {environment_or_default(r->environment), r->service_name};
    AUTO(head_unref) struct head *head = NULL;
    struct position position;
    struct status st;
    registry_get_many(service->registry, &name, 1, &head, &position);
    if (head == NULL || head->version == 0) {
        no_such_config(name.environment, name.service, &st);
        rpc_fail(call, &st);
        return;
    }
    send_config(service, call, r, &position, ref_config(head), &(struct answer){0});
}

/* Reads an old version from the store and encodes it. */
static bool read_old(struct service *service, const struct head *head, uint64_t version,
                     struct buf **ret_config, struct status *st)
{
    struct version_ref found = {0};
    if (!store_read_live_version(service->store, head_environment(head), head_service(head),
                                 version, &found, st)) {
        return false;
    }
    AUTO(commit_unref) struct commit *commit = found.commit;
    if (version_change(&found)->payload == NULL) {
        return no_such_payload(&found, st);
    }
    *ret_config = encode_config(&found, head->mod_revision);
    return true;
}

static void get_version(struct service *service, struct rpc_call *call,
                        const ProtobufCMessage *message)
{
    const Confreg__V1__GetConfigRequest *r = (const void *)message;
    struct config_name name = {environment_or_default(r->environment), r->service_name};
    AUTO(head_unref) struct head *head = NULL;
    struct position position;
    struct buf *config = NULL;
    struct status st;
    registry_get_many(service->registry, &name, 1, &head, &position);
    enum history_scope scope = scope_of(r->include_deleted);
    bool ok = true;
    if (head == NULL || (head->version == 0 && scope == HISTORY_LIVE)) {
        ok = no_such_config(name.environment, name.service, &st);
    } else if (!history_has(head, scope, r->version)) {
        ok = no_such_version(name.environment, name.service, r->version, &st);
    } else if (r->version == head->version) {
        config = ref_config(head);
    } else {
        ok = read_old(service, head, r->version, &config, &st);
    }
    if (ok) {
        send_config(service, call, r, &position, config, &(struct answer){0});
    } else {
        rpc_fail(call, &st);
    }
}

/* ---- GetConfig with resolve ---- */

static bool lives(const struct head *head)
{
    return head != NULL && head->version != 0;
}

static const struct buf *encoded_or_null(const struct head *head)
{
    return head == NULL ? NULL : head->encoded;
}

static struct buf *source_of(const char *environment, const struct head *head)
{
    Confreg__V1__ResolvedSource source;
    confreg__v1__resolved_source__init(&source);
    source.environment = (char *)(uintptr_t)environment;
    source.version = head == NULL ? 0 : head->version;
    source.mod_revision = head == NULL ? 0 : head->mod_revision;
    return encode_field(FIELD_SOURCES, &source.base);
}

static void get_resolved(struct service *service, struct rpc_call *call,
                         const ProtobufCMessage *message)
{
    const Confreg__V1__GetConfigRequest *r = (const void *)message;
    const char *environment = environment_or_default(r->environment);
    struct config_name names[] = {{environment, r->service_name},
                                  {DEFAULT_ENVIRONMENT, r->service_name}};
    bool overlaid = strcmp(environment, DEFAULT_ENVIRONMENT) != 0;
    struct head *heads[2] = {NULL, NULL};
    struct position position;
    struct status st;
    registry_get_many(service->registry, names, overlaid ? 2 : 1, heads, &position);
    if (lives(heads[0]) || lives(heads[1])) {
        struct answer sources = {0};
        answer_add(&sources, source_of(environment, heads[0]));
        answer_add(&sources, overlaid ? source_of(DEFAULT_ENVIRONMENT, heads[1]) : NULL);
        send_config(
            service, call, r, &position,
            encode_resolved(environment, encoded_or_null(heads[0]), encoded_or_null(heads[1])),
            &sources);
    } else {
        no_such_config(environment, r->service_name, &st);
        rpc_fail(call, &st);
    }
    head_unref(heads[0]);
    head_unref(heads[1]);
}

void read_one(struct service *service, struct rpc_call *call,
              const Confreg__V1__GetConfigRequest *of_key)
{
    read_body *body = of_key->version != 0 ? get_version : get_head;
    body(service, call, &of_key->base);
}

void read_get(struct rpc_call *call, const Confreg__V1__GetConfigRequest *request,
              struct service *service)
{
    struct status st;
    if (!check_names(request->environment, request->service_name, "", &st)) {
        rpc_fail(call, &st);
        return;
    }
    if (request->resolve && request->version != 0) {
        status_bad_field(&st, "version", "VERSION_WITH_RESOLVE",
                         "version: resolve shows heads only and cannot be combined with a version");
        rpc_fail(call, &st);
        return;
    }
    if (request->include_deleted && request->version == 0) {
        status_bad_field(&st, "version", "VERSION_MISSING",
                         "version: include_deleted shows versions, and needs one");
        rpc_fail(call, &st);
        return;
    }
    read_body *body = request->resolve        ? get_resolved
                      : request->version != 0 ? get_version
                                              : get_head;
    bool is_long = request->version != 0 || request->apply_defaults;
    read_when_ready(service, call, &request->base, request->read,
                    is_long ? READ_ON_POOL : READ_HERE, body);
}

/* ---- BatchGetConfigs: {header, repeated config = 2, missing = 3, unprocessed = 4, denied = 5}
 * ----
 */

enum batch_list { BATCH_MISSING = 3, BATCH_UNPROCESSED = 4, BATCH_DENIED = 5 };

static void add_name(struct answer *answer, enum batch_list field, const struct config_name *name)
{
    Confreg__V1__ConfigName message;
    confreg__v1__config_name__init(&message);
    message.environment = (char *)(uintptr_t)name->environment;
    message.service_name = (char *)(uintptr_t)name->service;
    answer_add(answer, encode_field(field, &message.base));
}

static void gather_batch(struct answer *answer, const Confreg__V1__BatchGetConfigsRequest *r,
                         const struct config_name *names, struct head *const *heads,
                         struct grants grants)
{
    bool full = false;
    bool any = false;
    for (size_t i = 0; i < r->n_names; i++) {
        if (!grants_may(grants, PERMISSION_READ, names[i].environment, names[i].service)) {
            add_name(answer, BATCH_DENIED, &names[i]);
            continue;
        }
        if (!lives(heads[i])) {
            add_name(answer, BATCH_MISSING, &names[i]);
            continue;
        }
        struct buf *config = full ? NULL : encode_fitting(ref_config(heads[i]), r->include_large);
        full = full || (any && answer->bytes + config->len > REPLY_BYTES);
        if (full) {
            buf_unref(config);
            add_name(answer, BATCH_UNPROCESSED, &names[i]);
        } else {
            answer_add(answer, config);
            any = true;
        }
    }
}

/* The call succeeds all the same. */
static void account_denied(struct service *service, struct rpc_call *call,
                           const struct config_name *names, size_t n)
{
    struct grants grants = caller_grants(admission_caller(call));
    struct status st;
    status_set(&st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED", "it is in `denied`");
    for (size_t i = 0; service->logs != NULL && i < n; i++) {
        if (!grants_may(grants, PERMISSION_READ, names[i].environment, names[i].service)) {
            call_account_add_part(service->logs, call, rpc_call_method(call), names[i].environment,
                                  names[i].service, &st);
        }
    }
}

static void get_batch(struct service *service, struct rpc_call *call,
                      const ProtobufCMessage *message)
{
    const Confreg__V1__BatchGetConfigsRequest *r = (const void *)message;
    struct config_name names[BATCH_NAMES];
    struct head *heads[BATCH_NAMES];
    struct position position;
    for (size_t i = 0; i < r->n_names; i++) {
        names[i] = (struct config_name){environment_or_default(r->names[i]->environment),
                                        r->names[i]->service_name};
    }
    registry_get_many(service->registry, names, r->n_names, heads, &position);
    struct answer answer = {0};
    answer_add(&answer, answer_header(service, &position));
    gather_batch(&answer, r, names, heads, caller_grants(admission_caller(call)));
    account_denied(service, call, names, r->n_names);
    answer_send(&answer, call);
    for (size_t i = 0; i < r->n_names; i++) {
        head_unref(heads[i]);
    }
}

static bool check_batch(const Confreg__V1__BatchGetConfigsRequest *r, struct status *st)
{
    if (r->n_names == 0 || r->n_names > BATCH_NAMES) {
        status_bad_field(st, "names", "NAMES_COUNT", "names: 1 to %d of them, found %zu",
                         BATCH_NAMES, r->n_names);
        return status_exceeds(st, BATCH_NAMES, r->n_names);
    }
    for (size_t i = 0; i < r->n_names; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "names[%zu].", i);
        if (!check_names(r->names[i]->environment, r->names[i]->service_name, prefix, st)) {
            return false;
        }
    }
    return true;
}

void read_batch(struct rpc_call *call, const Confreg__V1__BatchGetConfigsRequest *request,
                struct service *service)
{
    struct status st;
    if (!check_batch(request, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_ready(service, call, &request->base, request->read, READ_HERE, get_batch);
}
