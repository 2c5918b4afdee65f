#include "schemas.h"

#include "checks.h"
#include "compare.h"
#include "deferred_read.h"
#include "fill_defaults.h"
#include "list.h"
#include "page.h"
#include "read.h"

/* protobuf-c's text members are not const; it does not write to what it reads. */
static char *text_of(const struct key_text *key)
{
    return (char *)(uintptr_t)key->text;
}

/* ---- GetSchema ---- */

/* The key of the schema that a request names. */
static struct key_text key_of(const struct service *service, const Confreg__V1__GetSchemaRequest *r)
{
    struct key_text key = key_of_schema(r->environment);
    if (r->in_force && r->environment[0] != '\0') {
        AUTO(head_unref)
        struct head *head = registry_get(service->registry, key.text, r->service_name);
        key = head == NULL || head->version == 0 ? key_of_schema("") : key;
    }
    return key;
}

/* Answers with a live schema and its defaults. */
static void get_with_defaults(struct service *service, struct rpc_call *call,
                              const struct config_name *name)
{
    AUTO(head_unref) struct head *head = NULL;
    struct answer answer = {0};
    struct position position;
    struct status st;
    registry_get_many(service->registry, name, 1, &head, &position);
    if (head == NULL || head->version == 0) {
        no_such_config(name->environment, name->service, &st);
        rpc_fail(call, &st);
        return;
    }
    answer_add(&answer, answer_header(service, &position));
    answer_add(&answer, buf_ref(head->encoded));
    if (add_defaults(service, name->environment, name->service, &answer, &st)) {
        answer_send(&answer, call);
    } else {
        answer_drop(&answer);
        rpc_fail(call, &st);
    }
}

static void run_get(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Confreg__V1__GetSchemaRequest *r = (const void *)message;
    const struct key_text key = key_of(service, r);
    if (r->include_defaults) {
        get_with_defaults(service, call, &(struct config_name){key.text, r->service_name});
        return;
    }
    Confreg__V1__GetConfigRequest of_key = CONFREG__V1__GET_CONFIG_REQUEST__INIT;
    of_key.environment = text_of(&key);
    of_key.service_name = r->service_name;
    of_key.version = r->version;
    of_key.include_deleted = r->include_deleted;
    read_one(service, call, &of_key);
}

static bool check_get(const Confreg__V1__GetSchemaRequest *r, struct status *st)
{
    if (r->in_force && r->version != 0) {
        return status_bad_field(st, "version", "VERSION_WITH_IN_FORCE",
                                "version: only a head is in force");
    }
    if (r->include_defaults && r->version != 0) {
        return status_bad_field(st, "version", "VERSION_WITH_DEFAULTS",
                                "version: only a head has defaults");
    }
    if (r->include_deleted && r->version == 0) {
        return status_bad_field(st, "version", "VERSION_MISSING",
                                "version: include_deleted shows versions, and needs one");
    }
    return check_schema_names(r->environment, r->service_name, "", st);
}

void schemas_get(struct rpc_call *call, const Confreg__V1__GetSchemaRequest *request,
                 struct service *service)
{
    struct status st;
    if (!check_get(request, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_ready(service, call, &request->base, request->read,
                    request->version != 0 || request->include_defaults ? READ_ON_POOL : READ_HERE,
                    run_get);
}

/* ---- ListSchemas ---- */

/* The request of the list of keys; key: its environment, where it names one. */
static Confreg__V1__ListConfigsRequest list_of(const Confreg__V1__ListSchemasRequest *r,
                                               const struct key_text *key)
{
    Confreg__V1__ListConfigsRequest of_keys = CONFREG__V1__LIST_CONFIGS_REQUEST__INIT;
    of_keys.environment = r->environment[0] == '\0' ? r->environment : text_of(key);
    of_keys.service_name = r->service_name;
    of_keys.service_name_prefix = r->service_name_prefix;
    of_keys.page_size = r->page_size;
    of_keys.page_token = r->page_token;
    of_keys.view = r->view;
    of_keys.show_deleted = r->show_deleted;
    of_keys.only_deleted = r->only_deleted;
    return of_keys;
}

static void run_list(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *message)
{
    const Confreg__V1__ListSchemasRequest *r = (const void *)message;
    const struct key_text key = key_of_schema(r->environment);
    const Confreg__V1__ListConfigsRequest of_keys = list_of(r, &key);
    list_keys(service, call, &of_keys, KEY_SCHEMA);
}

void schemas_list(struct rpc_call *call, const Confreg__V1__ListSchemasRequest *request,
                  struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_name_filters(request->environment, request->service_name,
                            request->service_name_prefix, &st)) {
        rpc_fail(call, &st);
        return;
    }
    const struct key_text key = key_of_schema(request->environment);
    const Confreg__V1__ListConfigsRequest of_keys = list_of(request, &key);
    if (!list_keys_revision(service, call, &of_keys, KEY_SCHEMA, &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run_list);
}

/* ---- ListSchemaVersions ---- */

static Confreg__V1__ListVersionsRequest versions_of(const Confreg__V1__ListSchemaVersionsRequest *r,
                                                    const struct key_text *key)
{
    Confreg__V1__ListVersionsRequest of_key = CONFREG__V1__LIST_VERSIONS_REQUEST__INIT;
    of_key.environment = text_of(key);
    of_key.service_name = r->service_name;
    of_key.page_size = r->page_size;
    of_key.page_token = r->page_token;
    of_key.view = r->view;
    of_key.include_deleted = r->include_deleted;
    return of_key;
}

static void run_list_versions(struct service *service, struct rpc_call *call,
                              const ProtobufCMessage *message)
{
    const Confreg__V1__ListSchemaVersionsRequest *r = (const void *)message;
    const struct key_text key = key_of_schema(r->environment);
    const Confreg__V1__ListVersionsRequest of_key = versions_of(r, &key);
    list_versions_of_key(service, call, &of_key);
}

void schemas_list_versions(struct rpc_call *call,
                           const Confreg__V1__ListSchemaVersionsRequest *request,
                           struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_schema_names(request->environment, request->service_name, "", &st)) {
        rpc_fail(call, &st);
        return;
    }
    const struct key_text key = key_of_schema(request->environment);
    const Confreg__V1__ListVersionsRequest of_key = versions_of(request, &key);
    if (!list_versions_revision(service, call, &of_key, &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run_list_versions);
}

/* ---- DiffSchemas ---- */

static void run_diff(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *message)
{
    const Confreg__V1__DiffSchemasRequest *r = (const void *)message;
    const struct key_text key = key_of_schema(r->environment);
    const struct key_text new_key = key_of_schema(r->new_environment);
    Confreg__V1__DiffVersionsRequest of_keys = CONFREG__V1__DIFF_VERSIONS_REQUEST__INIT;
    of_keys.environment = text_of(&key);
    of_keys.service_name = r->service_name;
    of_keys.old_version = r->old_version;
    of_keys.new_version = r->new_version;
    of_keys.new_environment =
        r->new_environment[0] == '\0' ? r->new_environment : text_of(&new_key);
    of_keys.include_deleted = r->include_deleted;
    compare_keys(service, call, &of_keys);
}

void schemas_diff(struct rpc_call *call, const Confreg__V1__DiffSchemasRequest *request,
                  struct service *service)
{
    struct status st;
    if (!check_schema_names(request->environment, request->service_name, "", &st) ||
        !check_schema_names(request->new_environment, request->service_name, "new_", &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_ready(service, call, &request->base, request->read, READ_ON_POOL, run_diff);
}
