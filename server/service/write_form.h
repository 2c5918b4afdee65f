/* The forms of the writing requests. Their types are unrelated, but have members of the same names;
 * a form says where its type has each of them, how it becomes mutations, and how it is answered. A
 * new writing method needs a form and, as a part of WriteConfigs and CommitChanges, a field in the
 * messages Write and WriteOutcome.
 *
 * Constant data; any thread. What is read is borrowed from the request. */
#ifndef SERVICE_WRITE_FORM_H
#define SERVICE_WRITE_FORM_H

#include "confreg/v1/registry_service.pb-c.h"
#include "mutations.h"
#include "roles.h"

struct answer;
struct write_item;

/* One kind of content. */
struct write_content {
    const char *field; /* "config_data" */
    enum mutation_kind kind;
    int presence; /* the case of the oneof; 0: the request has no oneof */
};

#define WRITE_CONTENTS 4

/* Members are offsets into the request's struct; 0: the request has no such member. */
struct write_form {
    const ProtobufCMessageDescriptor *descriptor;
    const char *method; /* "CreateConfig" */
    const char *part;   /* the name of its field in Write: "create"; NULL: it has none */
    enum mutation_kind kind;
    enum permission permission; /* that its config needs */
    size_t environment, service_name, version;
    size_t expected_version, expected_revision, expected_epoch;
    size_t allow_missing, erase, force, undo, include_large, allow_secrets;
    size_t content; /* of type bytes, of a copy a text; the cases of a oneof share one place */
    size_t source_version; /* of a copy */
    size_t content_presence;
    struct write_content contents[WRITE_CONTENTS]; /* field NULL: unused */
    size_t comment, created_by, created_by_empty, request_id, validate_only;
    /* One of mutations.h; the contract stands there. */
    bool (*mutations)(const struct service *service, const struct write_form *form,
                      const ProtobufCMessage *request, struct mutations *ret, struct status *st);
    /* One of write_answer.h. */
    void (*answer)(const struct write_item *item, struct answer *answer);
};

/* The form of a request; there is one for each writing method with one write per call. */
const struct write_form *write_form_of(const ProtobufCMessage *request);

/* The request in a Write; NULL: the Write is empty. */
const ProtobufCMessage *write_part(const Confreg__V1__Write *write);

/* Read a member of a request; "", 0 or false if the request has no such member. */
const char *write_text(const ProtobufCMessage *request, size_t member);
uint64_t write_number(const ProtobufCMessage *request, size_t member);
bool write_flag(const ProtobufCMessage *request, size_t member);

/* The content that a request has; NULL: none. */
const struct write_content *write_content(const struct write_form *form,
                                          const ProtobufCMessage *request);
ProtobufCBinaryData write_data(const struct write_form *form, const ProtobufCMessage *request);
/* The environment that a request copies from; NULL: it does not copy. */
const char *write_source(const struct write_form *form, const ProtobufCMessage *request);

/* The author that a request names: "" if it named the empty one, NULL if it named none. */
const char *write_author(const struct write_form *form, const ProtobufCMessage *request);

#endif
