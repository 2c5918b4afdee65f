#include "mutations.h"

#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "write_form.h"

#define PATH_BYTES 96

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
        free_text(m->content_field);
        free_text(m->source_environment);
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

static bool refuse(struct making *making, const char *field, const char *reason, const char *what)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s", making->prefix, field);
    return status_bad_field(making->st, path, reason, "%s: %s", path, what);
}

/* A JSON Patch may be as large as one that leads to the largest payload. */
static bool check_json_patch(const struct making *making, struct mutation *m,
                             ProtobufCBinaryData data)
{
    const struct json_limits *limits = &making->service->limits;
    const struct json_limits more = {limits->max_bytes + JSON_PATCH_EXTRA_BYTES,
                                     limits->max_depth + JSON_PATCH_EXTRA_DEPTH};
    return json_check_value((const char *)data.data, data.len, &more, m->content_field, NULL,
                            &m->payload, making->st) &&
           json_patch_check(json_of_buf(m->payload), m->content_field, making->st);
}

static bool set_payload(struct making *making, struct mutation *m, const char *field,
                        ProtobufCBinaryData data)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s", making->prefix, field);
    m->content_field = mem_string(path);
    bool ok = m->kind == MUTATE_JSON_PATCH
                  ? check_json_patch(making, m, data)
                  : json_check((const char *)data.data, data.len, &making->service->limits, path,
                               &m->payload, making->st);
    if (!ok) {
        return false;
    }
    making->out->payload_bytes += m->payload->len;
    if (making->out->payload_bytes > COMMIT_MAX_BYTES) {
        status_set(making->st, STATUS_RESOURCE_EXHAUSTED, "COMMIT_TOO_LARGE",
                   "the payloads of a commit may have %u bytes together",
                   (unsigned)COMMIT_MAX_BYTES);
        return status_exceeds(making->st, COMMIT_MAX_BYTES, making->out->payload_bytes);
    }
    return true;
}

static bool set_source(struct making *making, struct mutation *m, const struct write_form *form,
                       const ProtobufCMessage *request)
{
    char path[PATH_BYTES];
    const char *source = write_source(form, request);
    snprintf(path, sizeof path, "%ssource_environment", making->prefix);
    if (!name_check(source, strlen(source), path, making->st)) {
        return false;
    }
    if (strcmp(source, m->environment) == 0) {
        return refuse(making, "source_environment", "SOURCE_SAME",
                      "must be another environment; a rollback copies within one");
    }
    m->source_environment = mem_string(source);
    m->version = write_number(request, form->source_version);
    return true;
}

static bool set_content(struct making *making, struct mutation *m, const struct write_form *form,
                        const ProtobufCMessage *request)
{
    if (form->content == 0) {
        return true;
    }
    const struct write_content *content = write_content(form, request);
    if (content == NULL) {
        return refuse(
            making, "config_data", "CONTENT_MISSING",
            "one of config_data, merge_patch, json_patch and source_environment is needed");
    }
    m->kind = content->kind;
    if (content->kind == MUTATE_COPY) {
        return set_source(making, m, form, request);
    }
    if (write_number(request, form->source_version) != 0) {
        return refuse(making, "source_version", "CONTENT_AMBIGUOUS",
                      "only together with source_environment");
    }
    return set_payload(making, m, content->field, write_data(form, request));
}

/* A mutation with all that requests have in common, but the names. */
static struct mutation *begin_mutation(struct making *making, const struct write_form *form,
                                       const ProtobufCMessage *request)
{
    struct mutation *m = &making->out->items[making->out->n++];
    *m = (struct mutation){
        .kind = form->kind,
        .version = write_number(request, form->version),
        .expected_version = write_number(request, form->expected_version),
        .expected_revision = write_number(request, form->expected_revision),
        .expected_epoch = mem_string(write_text(request, form->expected_epoch)),
        .allow_missing = write_flag(request, form->allow_missing),
        .erase = write_flag(request, form->erase),
        .allow_secrets = write_flag(request, form->allow_secrets),
    };
    return m;
}

/* Makes one mutation. */
static bool make(struct making *making, const struct write_form *form,
                 const ProtobufCMessage *request)
{
    const char *environment = write_text(request, form->environment);
    const char *service = write_text(request, form->service_name);
    if (!check_names(environment, service, making->prefix, making->st)) {
        return false;
    }
    struct mutation *m = begin_mutation(making, form, request);
    m->environment = mem_string(environment_or_default(environment));
    m->service = mem_string(service);
    return set_content(making, m, form, request);
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

bool mutations_of_one(const struct service *service, const struct write_form *form,
                      const ProtobufCMessage *request, struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, make(&making, form, request));
}

/* A schema is set to a text, or to what it was in a version. */
static bool set_schema_content(struct making *making, struct mutation *m,
                               const struct write_form *form, const ProtobufCMessage *request)
{
    const ProtobufCBinaryData data =
        *(const ProtobufCBinaryData *)(const void *)((const char *)request + form->content);
    const struct json_limits limits = {RULE_MAX_BYTES, RULE_MAX_DEPTH};
    m->content_field = mem_string("schema");
    m->allow_missing = true;
    bool undo = write_flag(request, form->undo);
    if (undo && (m->version != 0 || data.len > 0)) {
        return refuse(making, "undo", "CONTENT_AMBIGUOUS",
                      "not together with a schema or source_version");
    }
    if (m->version != 0 || undo) {
        m->kind = MUTATE_ROLLBACK;
        return data.len == 0 ||
               refuse(making, "source_version", "CONTENT_AMBIGUOUS", "not together with a schema");
    }
    if (!json_check((const char *)data.data, data.len, &limits, "schema", &m->payload,
                    making->st)) {
        return false;
    }
    making->out->payload_bytes += m->payload->len;
    return true;
}

static bool make_schema(struct making *making, const struct write_form *form,
                        const ProtobufCMessage *request)
{
    const char *environment = write_text(request, form->environment);
    const char *service = write_text(request, form->service_name);
    if (!check_schema_names(environment, service, "", making->st)) {
        return false;
    }
    struct mutation *m = begin_mutation(making, form, request);
    m->environment = mem_string(key_of_schema(environment).text);
    m->service = mem_string(service);
    m->force = write_flag(request, form->force);
    return form->content == 0 || set_schema_content(making, m, form, request);
}

bool mutations_of_schema(const struct service *service, const struct write_form *form,
                         const ProtobufCMessage *request, struct mutations *ret, struct status *st)
{
    struct making making = begin(service, 1, ret, st);
    return finish(&making, make_schema(&making, form, request));
}

bool mutations_of_compact(const struct service *service, const struct write_form *form,
                          const ProtobufCMessage *request, struct mutations *ret, struct status *st)
{
    const Confreg__V1__CompactRequest *r = (const void *)request;
    struct making making = begin(service, 1, ret, st);
    struct mutation *m = &making.out->items[making.out->n++];
    m->kind = form->kind;
    m->environment = mem_string("");
    m->service = mem_string("");
    m->expected_epoch = mem_string("");
    m->version = r->revision;
    m->keep_versions = r->keep_versions == 0 ? 1 : r->keep_versions;
    return true;
}

/* A commit has one comment, one author and one request_id: its parts must have none of their own,
 * which would be lost. */
static bool check_part(struct making *making, const struct write_form *form,
                       const ProtobufCMessage *part)
{
    const char *field = write_text(part, form->comment)[0] != '\0'      ? "comment"
                        : write_text(part, form->created_by)[0] != '\0' ? "created_by"
                        : write_flag(part, form->created_by_empty)      ? "created_by_empty"
                        : write_text(part, form->request_id)[0] != '\0' ? "request_id"
                        : write_flag(part, form->validate_only)         ? "validate_only"
                        : write_flag(part, form->allow_secrets)         ? "allow_secrets"
                                                                        : NULL;
    return field == NULL ||
           refuse(making, field, "CHANGE_OPTION", "set it for the whole commit, not for a part");
}

static bool make_part(struct making *making, size_t index, const Confreg__V1__Write *write)
{
    char prefix[PATH_BYTES / 2];
    const ProtobufCMessage *part = write_part(write);
    making->prefix = prefix;
    if (part == NULL) {
        snprintf(prefix, sizeof prefix, "changes[%zu]", index);
        return refuse(making, "", "CHANGE_MISSING",
                      "one of create, update, delete, rollback, undelete");
    }
    const struct write_form *form = write_form_of(part);
    snprintf(prefix, sizeof prefix, "changes[%zu].%s.", index, form->part);
    return check_part(making, form, part) && make(making, form, part);
}

bool mutations_of_commit(const struct service *service, const struct write_form *form,
                         const ProtobufCMessage *request, struct mutations *ret, struct status *st)
{
    (void)form;
    const Confreg__V1__CommitChangesRequest *r = (const void *)request;
    if (r->n_changes == 0 || r->n_changes > COMMIT_MAX_CHANGES) {
        status_bad_field(st, "changes", "CHANGES_COUNT",
                         "changes: a commit has 1 to %d of them, found %zu", COMMIT_MAX_CHANGES,
                         r->n_changes);
        return status_exceeds(st, COMMIT_MAX_CHANGES, r->n_changes);
    }
    struct making making = begin(service, r->n_changes, ret, st);
    bool ok = true;
    for (size_t i = 0; i < r->n_changes && ok; i++) {
        ok = make_part(&making, i, r->changes[i]);
        ret->items[i].allow_secrets = r->allow_secrets;
    }
    return finish(&making, ok);
}
