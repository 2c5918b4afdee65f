#include "write_form.h"

#include <assert.h>
#include <stddef.h>

#include "checks.h"
#include "write_answer.h"

#define MEMBER(Request, member) offsetof(Confreg__V1__##Request, member)

#define NAMES(Request)                                                                             \
    .environment = MEMBER(Request, environment), .service_name = MEMBER(Request, service_name),    \
    .include_large = MEMBER(Request, include_large)
#define EXPECTATIONS(Request)                                                                      \
    .expected_version = MEMBER(Request, expected_version),                                         \
    .expected_revision = MEMBER(Request, expected_revision),                                       \
    .expected_epoch = MEMBER(Request, expected_epoch)
#define OPTIONS(Request)                                                                           \
    .comment = MEMBER(Request, comment), .created_by = MEMBER(Request, created_by),                \
    .created_by_empty = MEMBER(Request, created_by_empty),                                         \
    .request_id = MEMBER(Request, request_id), .validate_only = MEMBER(Request, validate_only)

static const struct write_form forms[] = {
    {
        .descriptor = &confreg__v1__create_config_request__descriptor,
        .method = "CreateConfig",
        .part = "create",
        .kind = MUTATE_CREATE,
        .permission = PERMISSION_WRITE,
        NAMES(CreateConfigRequest),
        .content = MEMBER(CreateConfigRequest, config_data),
        .contents = {{"config_data", MUTATE_CREATE, 0}},
        OPTIONS(CreateConfigRequest),
        .allow_secrets = MEMBER(CreateConfigRequest, allow_secrets),
        .mutations = mutations_of_one,
        .answer = write_answer_version,
    },
    {
        .descriptor = &confreg__v1__update_config_request__descriptor,
        .method = "UpdateConfig",
        .part = "update",
        .kind = MUTATE_UPDATE,
        .permission = PERMISSION_WRITE,
        NAMES(UpdateConfigRequest),
        EXPECTATIONS(UpdateConfigRequest),
        .allow_missing = MEMBER(UpdateConfigRequest, allow_missing),
        .content = MEMBER(UpdateConfigRequest, config_data),
        .content_presence = MEMBER(UpdateConfigRequest, content_case),
        .contents = {{"config_data", MUTATE_UPDATE,
                      CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA},
                     {"merge_patch", MUTATE_MERGE_PATCH,
                      CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_MERGE_PATCH},
                     {"json_patch", MUTATE_JSON_PATCH,
                      CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_JSON_PATCH},
                     {"source_environment", MUTATE_COPY,
                      CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_SOURCE_ENVIRONMENT}},
        .source_version = MEMBER(UpdateConfigRequest, source_version),
        OPTIONS(UpdateConfigRequest),
        .allow_secrets = MEMBER(UpdateConfigRequest, allow_secrets),
        .mutations = mutations_of_one,
        .answer = write_answer_version,
    },
    {
        .descriptor = &confreg__v1__delete_config_request__descriptor,
        .method = "DeleteConfig",
        .part = "delete",
        .kind = MUTATE_DELETE,
        .permission = PERMISSION_DELETE,
        NAMES(DeleteConfigRequest),
        .version = MEMBER(DeleteConfigRequest, version),
        EXPECTATIONS(DeleteConfigRequest),
        .allow_missing = MEMBER(DeleteConfigRequest, allow_missing),
        .erase = MEMBER(DeleteConfigRequest, erase),
        OPTIONS(DeleteConfigRequest),
        .mutations = mutations_of_one,
        .answer = write_answer_delete,
    },
    {
        .descriptor = &confreg__v1__rollback_config_request__descriptor,
        .method = "RollbackConfig",
        .part = "rollback",
        .kind = MUTATE_ROLLBACK,
        .permission = PERMISSION_WRITE,
        NAMES(RollbackConfigRequest),
        .version = MEMBER(RollbackConfigRequest, version),
        EXPECTATIONS(RollbackConfigRequest),
        OPTIONS(RollbackConfigRequest),
        .allow_secrets = MEMBER(RollbackConfigRequest, allow_secrets),
        .mutations = mutations_of_one,
        .answer = write_answer_version,
    },
    {
        .descriptor = &confreg__v1__undelete_config_request__descriptor,
        .method = "UndeleteConfig",
        .part = "undelete",
        .kind = MUTATE_UNDELETE,
        .permission = PERMISSION_WRITE,
        NAMES(UndeleteConfigRequest),
        .version = MEMBER(UndeleteConfigRequest, version),
        .expected_revision = MEMBER(UndeleteConfigRequest, expected_revision),
        .expected_epoch = MEMBER(UndeleteConfigRequest, expected_epoch),
        OPTIONS(UndeleteConfigRequest),
        .allow_secrets = MEMBER(UndeleteConfigRequest, allow_secrets),
        .mutations = mutations_of_one,
        .answer = write_answer_version,
    },
    {
        .descriptor = &confreg__v1__commit_changes_request__descriptor,
        .method = "CommitChanges",
        OPTIONS(CommitChangesRequest),
        .allow_secrets = MEMBER(CommitChangesRequest, allow_secrets),
        .mutations = mutations_of_commit,
        .answer = write_answer_commit,
    },
    {
        .descriptor = &confreg__v1__set_schema_request__descriptor,
        .method = "SetSchema",
        .kind = MUTATE_UPDATE,
        .permission = PERMISSION_SCHEMA,
        NAMES(SetSchemaRequest),
        .version = MEMBER(SetSchemaRequest, source_version),
        EXPECTATIONS(SetSchemaRequest),
        .force = MEMBER(SetSchemaRequest, force),
        .undo = MEMBER(SetSchemaRequest, undo),
        .content = MEMBER(SetSchemaRequest, schema),
        OPTIONS(SetSchemaRequest),
        .mutations = mutations_of_schema,
        .answer = write_answer_version,
    },
    {
        .descriptor = &confreg__v1__delete_schema_request__descriptor,
        .method = "DeleteSchema",
        .kind = MUTATE_DELETE,
        .permission = PERMISSION_SCHEMA,
        NAMES(DeleteSchemaRequest),
        EXPECTATIONS(DeleteSchemaRequest),
        .allow_missing = MEMBER(DeleteSchemaRequest, allow_missing),
        .force = MEMBER(DeleteSchemaRequest, force),
        OPTIONS(DeleteSchemaRequest),
        .mutations = mutations_of_schema,
        .answer = write_answer_delete,
    },
    {
        .descriptor = &confreg__v1__compact_request__descriptor,
        .method = "Compact",
        .kind = MUTATE_COMPACT,
        .permission = PERMISSION_OPERATE,
        OPTIONS(CompactRequest),
        .mutations = mutations_of_compact,
        .answer = write_answer_compact,
    },
};

const struct write_form *write_form_of(const ProtobufCMessage *request)
{
    const struct write_form *form = forms;
    while (form->descriptor != request->descriptor) {
        form++;
        assert(form < forms + COUNT_OF(forms) && "each writing request has a form");
    }
    return form;
}

const ProtobufCMessage *write_part(const Confreg__V1__Write *write)
{
    switch (write->write_case) {
    case CONFREG__V1__WRITE__WRITE_CREATE:
        return &write->create->base;
    case CONFREG__V1__WRITE__WRITE_UPDATE:
        return &write->update->base;
    case CONFREG__V1__WRITE__WRITE_DELETE:
        return &write->delete_->base;
    case CONFREG__V1__WRITE__WRITE_ROLLBACK:
        return &write->rollback->base;
    case CONFREG__V1__WRITE__WRITE_UNDELETE:
        return &write->undelete->base;
    default:
        return NULL;
    }
}

static const void *at(const ProtobufCMessage *request, size_t member)
{
    return (const char *)request + member;
}

const char *write_text(const ProtobufCMessage *request, size_t member)
{
    return member == 0 ? "" : *(char *const *)at(request, member);
}

uint64_t write_number(const ProtobufCMessage *request, size_t member)
{
    return member == 0 ? 0 : *(const uint64_t *)at(request, member);
}

bool write_flag(const ProtobufCMessage *request, size_t member)
{
    return member != 0 && *(const protobuf_c_boolean *)at(request, member) != 0;
}

const struct write_content *write_content(const struct write_form *form,
                                          const ProtobufCMessage *request)
{
    if (form->content == 0) {
        return NULL;
    }
    int presence =
        form->content_presence == 0 ? 0 : *(const int *)at(request, form->content_presence);
    for (size_t i = 0; i < WRITE_CONTENTS && form->contents[i].field != NULL; i++) {
        if (form->contents[i].presence == presence) {
            return &form->contents[i];
        }
    }
    return NULL;
}

ProtobufCBinaryData write_data(const struct write_form *form, const ProtobufCMessage *request)
{
    return *(const ProtobufCBinaryData *)at(request, form->content);
}

const char *write_source(const struct write_form *form, const ProtobufCMessage *request)
{
    const struct write_content *content = write_content(form, request);
    bool copies = content != NULL && content->kind == MUTATE_COPY;
    return copies ? environment_or_default(write_text(request, form->content)) : NULL;
}

const char *write_author(const struct write_form *form, const ProtobufCMessage *request)
{
    const char *author = write_text(request, form->created_by);
    return author[0] != '\0' || write_flag(request, form->created_by_empty) ? author : NULL;
}
