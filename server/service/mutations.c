#include "mutations.h"

#include <stdio.h>
#include <string.h>

#include "checks.h"

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

void mutations_fini(struct mutations *mutations)
{
    for (size_t i = 0; i < mutations->n; i++) {
        struct mutation *m = &mutations->items[i];
        free_text(m->environment);
        free_text(m->service);
        free_text(m->expected_epoch);
        buf_unref(m->payload);
    }
    free(mutations->items);
    *mutations = (struct mutations){0};
}

/* Requests under construction: where they stand, for the paths in errors. */
struct making {
    const struct service *service;
    struct mutations *out;
    const char *prefix; /* "" or "changes[2].update." */
    struct status *st;
};

static struct mutation *add(struct making *making, enum mutation_kind kind, const char *environment,
                            const char *service)
{
    if (!check_names(environment, service, making->prefix, making->st)) {
        return NULL;
    }
    struct mutation *m = &making->out->items[making->out->n++];
    m->kind = kind;
    m->environment = mem_string(environment_or_default(environment));
    m->service = mem_string(service);
    m->expected_epoch = mem_string("");
    return m;
}

static bool set_payload(struct making *making, struct mutation *m, const char *field,
                        ProtobufCBinaryData text)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", making->prefix, field);
    if (!json_check((const char *)text.data, text.len, &making->service->limits, path, &m->payload,
                    making->st)) {
        return false;
    }
    making->out->payload_bytes += m->payload->len;
    if (making->out->payload_bytes > COMMIT_MAX_BYTES) {
        return status_set(making->st, STATUS_RESOURCE_EXHAUSTED, "COMMIT_TOO_LARGE",
                          "the payloads of a commit may have %u bytes together",
                          (unsigned)COMMIT_MAX_BYTES);
    }
    return true;
}

static bool missing(struct making *making, const char *field, const char *reason, const char *what)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", making->prefix, field);
    return status_bad_field(making->st, path, reason, "%s: %s", path, what);
}

/* The requests and the parts of CommitChanges share their members' names but not a type. */
#define TAKE_EXPECTATIONS(m, r)                                                                    \
    do {                                                                                           \
        (m)->expected_version = (r)->expected_version;                                             \
        (m)->expected_revision = (r)->expected_revision;                                           \
        free_text((m)->expected_epoch);                                                            \
        (m)->expected_epoch = mem_string((r)->expected_epoch);                                     \
    } while (0)

#define MAKE_CREATE(making, r)                                                                     \
    make_create((making), (r)->environment, (r)->service_name, (r)->config_data)

static bool make_create(struct making *making, const char *environment, const char *service,
                        ProtobufCBinaryData data)
{
    struct mutation *m = add(making, MUTATE_CREATE, environment, service);
    return m != NULL && set_payload(making, m, "config_data", data);
}

#define DEFINE_UPDATE(name, Request, CASE)                                                         \
    static bool name(struct making *making, const Request *r)                                      \
    {                                                                                              \
        bool patch = r->content_case == CASE##_MERGE_PATCH;                                        \
        struct mutation *m =                                                                       \
            add(making, patch ? MUTATE_PATCH : MUTATE_UPDATE, r->environment, r->service_name);    \
        if (m == NULL) {                                                                           \
            return false;                                                                          \
        }                                                                                          \
        TAKE_EXPECTATIONS(m, r);                                                                   \
        m->allow_missing = r->allow_missing;                                                       \
        if (patch) {                                                                               \
            return set_payload(making, m, "merge_patch", r->merge_patch);                          \
        }                                                                                          \
        if (r->content_case != CASE##_CONFIG_DATA) {                                               \
            return missing(making, "config_data", "CONTENT_MISSING",                               \
                           "either config_data or merge_patch is needed");                         \
        }                                                                                          \
        return set_payload(making, m, "config_data", r->config_data);                              \
    }

#define DEFINE_DELETE(name, Request)                                                               \
    static bool name(struct making *making, const Request *r)                                      \
    {                                                                                              \
        struct mutation *m = add(making, MUTATE_DELETE, r->environment, r->service_name);          \
        if (m == NULL) {                                                                           \
            return false;                                                                          \
        }                                                                                          \
        TAKE_EXPECTATIONS(m, r);                                                                   \
        m->version = r->version;                                                                   \
        m->erase = r->erase;                                                                       \
        m->allow_missing = r->allow_missing;                                                       \
        return true;                                                                               \
    }

#define DEFINE_ROLLBACK(name, Request)                                                             \
    static bool name(struct making *making, const Request *r)                                      \
    {                                                                                              \
        struct mutation *m = add(making, MUTATE_ROLLBACK, r->environment, r->service_name);        \
        if (m == NULL) {                                                                           \
            return false;                                                                          \
        }                                                                                          \
        TAKE_EXPECTATIONS(m, r);                                                                   \
        m->version = r->version;                                                                   \
        return r->version != 0 ||                                                                  \
               missing(making, "version", "VERSION_MISSING", "a rollback needs a version");        \
    }

DEFINE_UPDATE(make_update, Confreg__V1__UpdateConfigRequest,
              CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT)
DEFINE_DELETE(make_delete, Confreg__V1__DeleteConfigRequest)
DEFINE_ROLLBACK(make_rollback, Confreg__V1__RollbackConfigRequest)
DEFINE_UPDATE(make_update_part, Confreg__V1__Change__Update, CONFREG__V1__CHANGE__UPDATE__CONTENT)
DEFINE_DELETE(make_delete_part, Confreg__V1__Change__Delete)
DEFINE_ROLLBACK(make_rollback_part, Confreg__V1__Change__Rollback)

static struct making begin(const struct service *service, size_t n, struct mutations *out,
                           struct status *st)
{
    *out = (struct mutations){.items = mem_array(n, sizeof out->items[0])};
    return (struct making){.service = service, .out = out, .prefix = "", .st = st};
}

static bool finish(struct making *making, bool ok)
{
    if (!ok) {
        mutations_fini(making->out);
    }
    return ok;
}

bool mutations_of_create(const struct service *service, const Confreg__V1__CreateConfigRequest *r,
                         struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, MAKE_CREATE(&making, r));
}

bool mutations_of_update(const struct service *service, const Confreg__V1__UpdateConfigRequest *r,
                         struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, make_update(&making, r));
}

bool mutations_of_delete(const struct service *service, const Confreg__V1__DeleteConfigRequest *r,
                         struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, make_delete(&making, r));
}

bool mutations_of_compact(const struct service *service, const Confreg__V1__CompactRequest *r,
                          struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    struct mutation *m = &making.out->items[making.out->n++];
    m->kind = MUTATE_COMPACT;
    m->environment = mem_string("");
    m->service = mem_string("");
    m->expected_epoch = mem_string("");
    m->version = r->revision;
    m->keep_versions = r->keep_versions == 0 ? 1 : r->keep_versions;
    return true;
}

bool mutations_of_rollback(const struct service *service,
                           const Confreg__V1__RollbackConfigRequest *r, struct mutations *ret,
                           struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, make_rollback(&making, r));
}

static bool make_part(struct making *making, size_t index, const Confreg__V1__Change *change)
{
    static const char *const names[] = {"", "create", "update", "delete", "rollback"};
    char prefix[48];
    snprintf(prefix, sizeof prefix, "changes[%zu].%s.", index, names[change->change_case]);
    making->prefix = prefix;
    switch (change->change_case) {
    case CONFREG__V1__CHANGE__CHANGE_CREATE:
        return MAKE_CREATE(making, change->create);
    case CONFREG__V1__CHANGE__CHANGE_UPDATE:
        return make_update_part(making, change->update);
    case CONFREG__V1__CHANGE__CHANGE_DELETE:
        return make_delete_part(making, change->delete_);
    case CONFREG__V1__CHANGE__CHANGE_ROLLBACK:
        return make_rollback_part(making, change->rollback);
    default:
        snprintf(prefix, sizeof prefix, "changes[%zu]", index);
        return missing(making, "", "CHANGE_MISSING", "one of create, update, delete, rollback");
    }
}

bool mutations_of_commit(const struct service *service, const Confreg__V1__CommitChangesRequest *r,
                         struct mutations *ret, struct status *st)
{
    if (r->n_changes == 0 || r->n_changes > COMMIT_MAX_CHANGES) {
        return status_bad_field(st, "changes", "CHANGES_COUNT",
                                "changes: a commit has 1 to %d of them, found %zu",
                                COMMIT_MAX_CHANGES, r->n_changes);
    }
    struct making making = begin(service, r->n_changes, ret, st);
    bool ok = true;
    for (size_t i = 0; i < r->n_changes && ok; i++) {
        ok = make_part(&making, i, r->changes[i]);
    }
    return finish(&making, ok);
}
