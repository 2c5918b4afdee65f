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

/* The members that requests, and parts of CommitChanges, have in common. Borrowed from them. */
struct wish {
    enum mutation_kind kind;
    const char *environment, *service;
    const char
        *content_field; /* of a create, update or patch: the name of the content; NULL: none */
    ProtobufCBinaryData content;
    uint64_t version;
    uint64_t expected_version, expected_revision;
    const char *expected_epoch; /* NULL: the request has no such member */
    bool allow_missing, erase;
};

static bool set_payload(struct making *making, struct mutation *m, const struct wish *wish)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", making->prefix, wish->content_field);
    if (!json_check((const char *)wish->content.data, wish->content.len, &making->service->limits,
                    path, &m->payload, making->st)) {
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

static bool make(struct making *making, const struct wish *wish)
{
    if (!check_names(wish->environment, wish->service, making->prefix, making->st)) {
        return false;
    }
    struct mutation *m = &making->out->items[making->out->n++];
    *m = (struct mutation){
        .kind = wish->kind,
        .environment = mem_string(environment_or_default(wish->environment)),
        .service = mem_string(wish->service),
        .version = wish->version,
        .expected_version = wish->expected_version,
        .expected_revision = wish->expected_revision,
        .expected_epoch = mem_string(wish->expected_epoch == NULL ? "" : wish->expected_epoch),
        .allow_missing = wish->allow_missing,
        .erase = wish->erase,
    };
    if (wish->kind == MUTATE_ROLLBACK && wish->version == 0) {
        return missing(making, "version", "VERSION_MISSING", "a rollback needs a version");
    }
    if (wish->kind == MUTATE_UPDATE && wish->content_field == NULL) {
        return missing(making, "config_data", "CONTENT_MISSING",
                       "either config_data or merge_patch is needed");
    }
    return wish->content_field == NULL || set_payload(making, m, wish);
}

/* ---- Wishes. The requests and the parts have members of the same names, but unrelated types. */

static void wish_data(struct wish *wish, ProtobufCBinaryData config_data)
{
    wish->content_field = "config_data";
    wish->content = config_data;
}

static void wish_patch(struct wish *wish, ProtobufCBinaryData merge_patch)
{
    wish->kind = MUTATE_PATCH;
    wish->content_field = "merge_patch";
    wish->content = merge_patch;
}

static bool make_create(struct making *making, const Confreg__V1__CreateConfigRequest *r)
{
    struct wish wish = {
        .kind = MUTATE_CREATE, .environment = r->environment, .service = r->service_name};
    wish_data(&wish, r->config_data);
    return make(making, &wish);
}

static bool make_update(struct making *making, const Confreg__V1__UpdateConfigRequest *r)
{
    struct wish wish = {
        .kind = MUTATE_UPDATE,
        .environment = r->environment,
        .service = r->service_name,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
        .allow_missing = r->allow_missing,
    };
    if (r->content_case == CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_MERGE_PATCH) {
        wish_patch(&wish, r->merge_patch);
    } else if (r->content_case == CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA) {
        wish_data(&wish, r->config_data);
    }
    return make(making, &wish);
}

static bool make_delete(struct making *making, const Confreg__V1__DeleteConfigRequest *r)
{
    const struct wish wish = {
        .kind = MUTATE_DELETE,
        .environment = r->environment,
        .service = r->service_name,
        .version = r->version,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
        .allow_missing = r->allow_missing,
        .erase = r->erase,
    };
    return make(making, &wish);
}

static bool make_rollback(struct making *making, const Confreg__V1__RollbackConfigRequest *r)
{
    const struct wish wish = {
        .kind = MUTATE_ROLLBACK,
        .environment = r->environment,
        .service = r->service_name,
        .version = r->version,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
    };
    return make(making, &wish);
}

static bool make_create_part(struct making *making, const Confreg__V1__Change__Create *r)
{
    struct wish wish = {
        .kind = MUTATE_CREATE, .environment = r->environment, .service = r->service_name};
    wish_data(&wish, r->config_data);
    return make(making, &wish);
}

static bool make_update_part(struct making *making, const Confreg__V1__Change__Update *r)
{
    struct wish wish = {
        .kind = MUTATE_UPDATE,
        .environment = r->environment,
        .service = r->service_name,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
        .allow_missing = r->allow_missing,
    };
    if (r->content_case == CONFREG__V1__CHANGE__UPDATE__CONTENT_MERGE_PATCH) {
        wish_patch(&wish, r->merge_patch);
    } else if (r->content_case == CONFREG__V1__CHANGE__UPDATE__CONTENT_CONFIG_DATA) {
        wish_data(&wish, r->config_data);
    }
    return make(making, &wish);
}

static bool make_delete_part(struct making *making, const Confreg__V1__Change__Delete *r)
{
    const struct wish wish = {
        .kind = MUTATE_DELETE,
        .environment = r->environment,
        .service = r->service_name,
        .version = r->version,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
        .allow_missing = r->allow_missing,
        .erase = r->erase,
    };
    return make(making, &wish);
}

static bool make_rollback_part(struct making *making, const Confreg__V1__Change__Rollback *r)
{
    const struct wish wish = {
        .kind = MUTATE_ROLLBACK,
        .environment = r->environment,
        .service = r->service_name,
        .version = r->version,
        .expected_version = r->expected_version,
        .expected_revision = r->expected_revision,
        .expected_epoch = r->expected_epoch,
    };
    return make(making, &wish);
}

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
    return finish(&making, make_create(&making, r));
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
        return make_create_part(making, change->create);
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
