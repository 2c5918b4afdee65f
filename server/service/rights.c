#include "rights.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "json.h"
#include "key.h"
#include "overlay.h"
#include "rules.h"
#include "schema_trial.h"
#include "view_key.h"
#include "write_form.h"

static bool refuse(enum permission permission, struct status *st)
{
    status_set(st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED", "the caller has no grant to %s here",
               permission_name(permission));
    status_add_info(st, "permission", permission_name(permission));
    return false;
}

/* ---- The names of requests ---- */

static bool check_name(struct grants grants, enum permission permission, const char *environment,
                       const char *service, struct status *st)
{
    return grants_may(grants, permission, environment_or_default(environment), service) ||
           refuse(permission, st);
}

/* A resolved config is made of two. */
static bool check_get(struct grants grants, const ProtobufCMessage *request, struct status *st)
{
    const Confreg__V1__GetConfigRequest *r = (const void *)request;
    return check_name(grants, PERMISSION_READ, r->environment, r->service_name, st) &&
           (!r->resolve ||
            check_name(grants, PERMISSION_READ, DEFAULT_ENVIRONMENT, r->service_name, st));
}

static bool check_versions(struct grants grants, const ProtobufCMessage *request, struct status *st)
{
    const Confreg__V1__ListVersionsRequest *r = (const void *)request;
    return check_name(grants, PERMISSION_READ, r->environment, r->service_name, st);
}

static bool check_compared(struct grants grants, const ProtobufCMessage *request, struct status *st)
{
    const Confreg__V1__DiffVersionsRequest *r = (const void *)request;
    return check_name(grants, PERMISSION_READ, r->environment, r->service_name, st) &&
           (r->new_environment[0] == '\0' ||
            check_name(grants, PERMISSION_READ, r->new_environment, r->service_name, st));
}

/* A schema concerns every config that it is for. Who has its service in one environment may read
 * that for all of them; to change it takes all. */
static bool check_schema(struct grants grants, enum permission permission, const char *environment,
                         const char *service, struct status *st)
{
    struct view view = view_of(grants, permission, view_environment(environment), service, NULL);
    enum view_extent needed = permission == PERMISSION_READ ? VIEW_PART : VIEW_ALL;
    return view.extent >= needed || refuse(permission, st);
}

static bool check_get_schema(struct grants grants, const ProtobufCMessage *request,
                             struct status *st)
{
    const Confreg__V1__GetSchemaRequest *r = (const void *)request;
    return check_schema(grants, PERMISSION_READ, r->environment, r->service_name, st);
}

static bool check_tried_schema(struct grants grants, const ProtobufCMessage *request,
                               struct status *st)
{
    const Confreg__V1__TrySchemaRequest *r = (const void *)request;
    return check_schema(grants, PERMISSION_SCHEMA, r->environment, r->service_name, st);
}

static bool check_schema_versions(struct grants grants, const ProtobufCMessage *request,
                                  struct status *st)
{
    const Confreg__V1__ListSchemaVersionsRequest *r = (const void *)request;
    return check_schema(grants, PERMISSION_READ, r->environment, r->service_name, st);
}

static bool check_compared_schemas(struct grants grants, const ProtobufCMessage *request,
                                   struct status *st)
{
    const Confreg__V1__DiffSchemasRequest *r = (const void *)request;
    return check_schema(grants, PERMISSION_READ, r->environment, r->service_name, st) &&
           (r->new_environment[0] == '\0' ||
            check_schema(grants, PERMISSION_READ, r->new_environment, r->service_name, st));
}

/* Whether a request brings a schema about resolved values. A text that is refused later is none. */
static bool sets_resolved(const struct write_form *form, const ProtobufCMessage *request)
{
    const struct json_limits limits = {RULE_MAX_BYTES, RULE_MAX_DEPTH};
    AUTO(buf_unref) struct buf *text = NULL;
    struct status ignored;
    if (form->content == 0) {
        return false;
    }
    const ProtobufCBinaryData data =
        *(const ProtobufCBinaryData *)(const void *)((const char *)request + form->content);
    return json_check((const char *)data.data, data.len, &limits, "schema", &text, &ignored) &&
           rule_text_is_resolved(text);
}

/* A schema about resolved values finds out what the default layer has. */
static bool check_write_schema(struct grants grants, const ProtobufCMessage *request,
                               struct status *st)
{
    const struct write_form *form = write_form_of(request);
    const char *service = write_text(request, form->service_name);
    return check_schema(grants, PERMISSION_SCHEMA, write_text(request, form->environment), service,
                        st) &&
           (!sets_resolved(form, request) ||
            check_name(grants, PERMISSION_READ, DEFAULT_ENVIRONMENT, service, st));
}

bool rights_check_write(struct grants grants, const ProtobufCMessage *request, struct status *st)
{
    const struct write_form *form = write_form_of(request);
    const char *service = write_text(request, form->service_name);
    const char *source = write_source(form, request);
    return check_name(grants, form->permission, write_text(request, form->environment), service,
                      st) &&
           (source == NULL || check_name(grants, PERMISSION_READ, source, service, st));
}

/* An empty part is refused later. */
static bool check_commit(struct grants grants, const ProtobufCMessage *request, struct status *st)
{
    const Confreg__V1__CommitChangesRequest *r = (const void *)request;
    for (size_t i = 0; i < r->n_changes; i++) {
        const ProtobufCMessage *part = write_part(r->changes[i]);
        if (part != NULL && !rights_check_write(grants, part, st)) {
            snprintf(st->field, sizeof st->field, "changes[%zu]", i);
            return false;
        }
    }
    return true;
}

/* ---- The table ---- */

#define READ (1u << PERMISSION_READ)
#define WRITE (1u << PERMISSION_WRITE)
#define DELETE (1u << PERMISSION_DELETE)
#define SCHEMA (1u << PERMISSION_SCHEMA)
#define OPERATE (1u << PERMISSION_OPERATE)
#define AUDIT (1u << PERMISSION_AUDIT)
#define DELEGATE (1u << PERMISSION_DELEGATE)

static const struct right rights[] = {
    {"GetConfig", READ, RIGHT_NAMED, check_get},
    {"BatchGetConfigs", READ, RIGHT_EACH, NULL},
    {"ListConfigs", READ, RIGHT_PART, NULL},
    {"ListVersions", READ, RIGHT_NAMED, check_versions},
    {"DiffVersions", READ, RIGHT_NAMED, check_compared},
    {"DiffConfigs", READ, RIGHT_PART, NULL},
    {"FindSecrets", READ, RIGHT_PART, NULL},
    {"ListCommits", READ | AUDIT, RIGHT_PART, NULL},
    {"Watch", READ, RIGHT_PART, NULL},
    {"WatchProgress", READ, RIGHT_OWN, NULL},
    {"CreateConfig", WRITE, RIGHT_NAMED, rights_check_write},
    {"UpdateConfig", WRITE, RIGHT_NAMED, rights_check_write},
    {"RollbackConfig", WRITE, RIGHT_NAMED, rights_check_write},
    {"UndeleteConfig", WRITE, RIGHT_NAMED, rights_check_write},
    {"DeleteConfig", DELETE, RIGHT_NAMED, rights_check_write},
    {"CommitChanges", WRITE | DELETE, RIGHT_NAMED, check_commit},
    {"WriteConfigs", WRITE | DELETE, RIGHT_EACH, NULL},
    {"GetSchema", READ, RIGHT_NAMED, check_get_schema},
    {"ListSchemas", READ, RIGHT_PART, NULL},
    {"ListSchemaVersions", READ, RIGHT_NAMED, check_schema_versions},
    {"DiffSchemas", READ, RIGHT_NAMED, check_compared_schemas},
    {"TrySchema", SCHEMA, RIGHT_NAMED, check_tried_schema},
    {"FindBroken", READ, RIGHT_PART, NULL},
    {"SetSchema", SCHEMA, RIGHT_NAMED, check_write_schema},
    {"DeleteSchema", SCHEMA, RIGHT_NAMED, check_write_schema},
    {"Compact", OPERATE, RIGHT_ALL, NULL},
    {"GetStatus", OPERATE | DELEGATE, RIGHT_ANYONE, NULL},
    {"GetAccess", READ | WRITE | DELETE | OPERATE | AUDIT | DELEGATE, RIGHT_ANYONE, NULL},
};

const struct right *rights_table(size_t *ret_n)
{
    *ret_n = COUNT_OF(rights);
    return rights;
}

const struct right *rights_of(const char *method)
{
    for (size_t i = 0; i < COUNT_OF(rights); i++) {
        if (strcmp(rights[i].method, method) == 0) {
            return &rights[i];
        }
    }
    assert(false && "every method has a row in the table of rights");
    return NULL;
}

static enum permission first_of(const struct right *right)
{
    return (enum permission)__builtin_ctz(right->any_of);
}

static bool may_somewhere(const struct right *right, struct grants grants)
{
    for (unsigned i = 0; i < PERMISSIONS; i++) {
        if ((right->any_of >> i & 1) != 0 && grants_may_somewhere(grants, (enum permission)i)) {
            return true;
        }
    }
    return false;
}

bool rights_admit(const struct right *right, struct grants grants, struct status *st)
{
    bool ok = right->scope == RIGHT_ALL ? grants_may_everywhere(grants, first_of(right))
                                        : may_somewhere(right, grants);
    return ok || right->scope == RIGHT_ANYONE || refuse(first_of(right), st);
}

bool rights_check(const struct right *right, struct grants grants, const ProtobufCMessage *request,
                  struct status *st)
{
    return right->check == NULL || right->check(grants, request, st);
}

struct view rights_view(const struct rpc_call *call, enum permission permission,
                        const struct head_filter *selection)
{
    return view_of(caller_grants(admission_caller(call)), permission,
                   view_environment(selection->environment), selection->service,
                   selection->service_prefix);
}

bool rights_check_references(const struct rpc_call *call, const struct schema_trial *trial,
                             struct status *st)
{
    struct grants grants = caller_grants(admission_caller(call));
    const char *environment;
    const char *service;
    bool ok = true;
    for (size_t i = 0; ok && schema_trial_reference(trial, i, &environment, &service); i++) {
        ok = check_schema(grants, PERMISSION_READ, key_environment(environment), service, st);
    }
    return ok;
}

void rights_narrow(const struct view *view, struct view_bounds *bounds,
                   struct head_filter *selection)
{
    const char *prefix = selection->service_prefix == NULL ? "" : selection->service_prefix;
    view_bounds(view, bounds);
    if (selection->environment == NULL) {
        selection->environment = bounds->environment;
    }
    if (selection->service == NULL) {
        selection->service = bounds->service;
    }
    if (strlen(bounds->service_prefix) > strlen(prefix)) {
        selection->service_prefix = bounds->service_prefix;
    }
}

bool rights_see(const struct view *view, struct status *st)
{
    return view->extent != VIEW_NOTHING || refuse(view->permission, st);
}
