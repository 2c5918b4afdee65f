#include "changes.h"

#include <stdio.h>
#include <string.h>

#include "config_answers.h"
#include "mem.h"
#include "unknown.h"
#include "utf8.h"

#define CHANGES_MAX 128 /* the server's own limit */
#define PATH_BYTES 48   /* of "changes[127].rollback" */

/* One change, and what its message points to. */
struct change_read {
    Confreg__V1__Write write;
    union {
        Confreg__V1__CreateConfigRequest create;
        Confreg__V1__UpdateConfigRequest update;
        Confreg__V1__DeleteConfigRequest delete;
        Confreg__V1__RollbackConfigRequest rollback;
        Confreg__V1__UndeleteConfigRequest undelete;
    } request;
    struct str environment, service, epoch, source;
};

/* The object of a change's members, and where their faults go. */
struct change_part {
    struct json_text object;
    struct change_read *change;
    struct invalid *invalid;
};

static void refuse(struct change_part *part, const char *name, enum fault fault,
                   const char *message)
{
    invalid_add(part->invalid, "body", name, fault, message);
}

/* ---- Members ---- */

/* Decodes a text into *text, without NUL at its end. False: it is not given, or is a fault. */
static bool take_string(struct change_part *part, const char *name, struct str *text)
{
    struct json_text value;
    if (!json_find(part->object, name, &value)) {
        return false;
    }
    if (json_type_of(value) != JSON_STRING) {
        refuse(part, name, FAULT_NO_STRING, "Input should be a valid string");
        return false;
    }
    json_decode_string(value, text);
    return true;
}

static char *take_name(struct change_part *part, const char *name, struct str *text)
{
    struct status st;
    if (take_string(part, name, text) && !name_check(str_text(text), text->len, name, &st)) {
        invalid_add_status(part->invalid, "body", name, &st);
    }
    return registry_text(str_text(text));
}

static char *take_service(struct change_part *part)
{
    struct json_text value;
    if (!json_find(part->object, "service_name", &value)) {
        refuse(part, "service_name", FAULT_MISSING, "Field required");
    }
    return take_name(part, "service_name", &part->change->service);
}

static char *take_environment(struct change_part *part)
{
    return take_name(part, "environment", &part->change->environment);
}

static char *take_epoch(struct change_part *part)
{
    struct str *text = &part->change->epoch;
    struct status st;
    if (take_string(part, "expected_epoch", text) &&
        !text_check(str_text(text), text->len, SIZE_MAX, "expected_epoch", &st)) {
        invalid_add_status(part->invalid, "body", "expected_epoch", &st);
    }
    return registry_text(str_text(text));
}

/* A version or a revision; 0: it is not given. */
static uint64_t take_number(struct change_part *part, const char *name)
{
    struct json_text value;
    struct number number = {0};
    if (!json_find(part->object, name, &value)) {
        return 0;
    }
    if (json_type_of(value) != JSON_NUMBER || !number_parse(value.data, value.len, &number)) {
        refuse(part, name, FAULT_NO_INTEGER, "Input should be a valid integer");
    } else if (number.negative || number.magnitude == 0) {
        refuse(part, name, FAULT_NUMBER_RANGE, "Input should be greater than or equal to 1");
    }
    uint64_t taken = number_version(&number, VERSION_NEVER);
    number_fini(&number);
    return taken;
}

static bool take_switch(struct change_part *part, const char *name)
{
    struct json_text value;
    if (!json_find(part->object, name, &value)) {
        return false;
    }
    enum json_type type = json_type_of(value);
    if (type != JSON_TRUE && type != JSON_FALSE) {
        refuse(part, name, FAULT_NO_BOOLEAN, "Input should be a valid boolean");
    }
    return type == JSON_TRUE;
}

/* False: it is not given. */
static bool take_payload(struct change_part *part, const char *name, enum json_type type,
                         ProtobufCBinaryData *payload)
{
    struct json_text value;
    if (!json_find(part->object, name, &value)) {
        return false;
    }
    if (json_type_of(value) != type) {
        bool is_list = type == JSON_ARRAY;
        refuse(part, name, is_list ? FAULT_NO_LIST : FAULT_NO_DICTIONARY,
               is_list ? "Input should be a valid list" : "Input should be a valid dictionary");
    }
    *payload = (ProtobufCBinaryData){value.len, (uint8_t *)(uintptr_t)value.data};
    return true;
}

#define TAKE_NAMES(part, message)                                                                  \
    do {                                                                                           \
        (message)->service_name = take_service(part);                                              \
        (message)->environment = take_environment(part);                                           \
    } while (0)
#define TAKE_EXPECTED_REVISION(part, message)                                                      \
    do {                                                                                           \
        (message)->expected_revision = take_number(part, "expected_revision");                     \
        (message)->expected_epoch = take_epoch(part);                                              \
    } while (0)
#define TAKE_EXPECTED(part, message)                                                               \
    do {                                                                                           \
        (message)->expected_version = take_number(part, "expected_version");                       \
        TAKE_EXPECTED_REVISION(part, message);                                                     \
    } while (0)

/* ---- Kinds of changes ---- */

static void read_create(struct change_part *part)
{
    Confreg__V1__CreateConfigRequest *m = &part->change->request.create;
    confreg__v1__create_config_request__init(m);
    part->change->write.create = m;
    TAKE_NAMES(part, m);
    if (!take_payload(part, "config_data", JSON_OBJECT, &m->config_data)) {
        refuse(part, "config_data", FAULT_MISSING, "Field required");
    }
}

/* A copy of what the service has in another environment. False: it is not given. */
static bool take_source(struct change_part *part, Confreg__V1__UpdateConfigRequest *m)
{
    struct json_text value;
    m->source_version = take_number(part, "source_version");
    if (!json_find(part->object, "source_environment", &value)) {
        return false;
    }
    m->source_environment = take_name(part, "source_environment", &part->change->source);
    m->content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_SOURCE_ENVIRONMENT;
    return true;
}

static void take_content(struct change_part *part, Confreg__V1__UpdateConfigRequest *m)
{
    static const struct {
        const char *name;
        enum json_type type;
        Confreg__V1__UpdateConfigRequest__ContentCase content;
    } contents[] = {
        {"config_data", JSON_OBJECT, CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA},
        {"merge_patch", JSON_OBJECT, CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_MERGE_PATCH},
        {"json_patch", JSON_ARRAY, CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_JSON_PATCH},
    };
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        /* The contents share their place in the message. */
        if (take_payload(part, contents[i].name, contents[i].type, &m->config_data)) {
            m->content_case = contents[i].content;
            n++;
        }
    }
    if (take_source(part, m)) {
        n++;
    }
    if (n != 1) {
        refuse(part, NULL, FAULT_NOT_ONE,
               "Input should have one of config_data, merge_patch, json_patch and "
               "source_environment");
    }
}

static void read_update(struct change_part *part)
{
    Confreg__V1__UpdateConfigRequest *m = &part->change->request.update;
    confreg__v1__update_config_request__init(m);
    part->change->write.update = m;
    TAKE_NAMES(part, m);
    take_content(part, m);
    TAKE_EXPECTED(part, m);
    m->allow_missing = take_switch(part, "upsert");
}

static void read_delete(struct change_part *part)
{
    Confreg__V1__DeleteConfigRequest *m = &part->change->request.delete;
    confreg__v1__delete_config_request__init(m);
    part->change->write.delete_ = m;
    TAKE_NAMES(part, m);
    m->version = take_number(part, "version");
    TAKE_EXPECTED(part, m);
    m->allow_missing = take_switch(part, "allow_missing");
    m->erase = take_switch(part, "erase");
}

static void read_rollback(struct change_part *part)
{
    Confreg__V1__RollbackConfigRequest *m = &part->change->request.rollback;
    confreg__v1__rollback_config_request__init(m);
    part->change->write.rollback = m;
    TAKE_NAMES(part, m);
    m->version = take_number(part, "version");
    TAKE_EXPECTED(part, m);
}

static void read_undelete(struct change_part *part)
{
    Confreg__V1__UndeleteConfigRequest *m = &part->change->request.undelete;
    confreg__v1__undelete_config_request__init(m);
    part->change->write.undelete = m;
    TAKE_NAMES(part, m);
    m->version = take_number(part, "version");
    TAKE_EXPECTED_REVISION(part, m);
}

#define EXPECTED "expected_version", "expected_revision", "expected_epoch"

static const struct write_kind {
    const char *name;
    Confreg__V1__Write__WriteCase write_case;
    void (*read)(struct change_part *part);
    struct known_names members;
} kinds[] = {
    {"create",
     CONFREG__V1__WRITE__WRITE_CREATE,
     read_create,
     {{"service_name", "environment", "config_data"}, 3}},
    {"update",
     CONFREG__V1__WRITE__WRITE_UPDATE,
     read_update,
     {{"service_name", "environment", "config_data", "merge_patch", "json_patch",
       "source_environment", "source_version", EXPECTED, "upsert"},
      11}},
    {"delete",
     CONFREG__V1__WRITE__WRITE_DELETE,
     read_delete,
     {{"service_name", "environment", "version", EXPECTED, "allow_missing", "erase"}, 8}},
    {"rollback",
     CONFREG__V1__WRITE__WRITE_ROLLBACK,
     read_rollback,
     {{"service_name", "environment", "version", EXPECTED}, 6}},
    {"undelete",
     CONFREG__V1__WRITE__WRITE_UNDELETE,
     read_undelete,
     {{"service_name", "environment", "version", "expected_revision", "expected_epoch"}, 5}},
};
static const struct known_names kind_names = {
    {"create", "update", "delete", "rollback", "undelete"}, COUNT_OF(kinds)};

/* ---- The list ---- */

static void refuse_unknown(struct change_part *part, const struct known_names *known)
{
    struct json_text key, value;
    for (size_t at = 0; json_member(part->object, &at, &key, &value);) {
        AUTO_STR name = {0};
        json_decode_string(key, &name);
        if (!is_known_name(&name, known)) {
            unknown_refuse(part->invalid, "body", &name, known);
        }
    }
}

/* False: it is no object, which is a fault. */
static bool check_object(struct change_part *part)
{
    bool is_object = json_type_of(part->object) == JSON_OBJECT;
    if (!is_object) {
        refuse(part, NULL, FAULT_NO_DICTIONARY, "Input should be a valid dictionary");
    }
    return is_object;
}

/* outer: the item of the list, "changes[2]". */
static void read_part(struct change_part *part, const struct write_kind *kind, const char *outer)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s.%s", outer, kind->name);
    part->invalid->within = path;
    if (check_object(part)) {
        part->change->write.write_case = kind->write_case;
        kind->read(part);
        refuse_unknown(part, &kind->members);
    }
    part->invalid->within = outer;
}

static void read_change(struct change_part *item, const char *path)
{
    const struct write_kind *found = NULL;
    struct change_part part = *item;
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct json_text value;
        if (json_find(item->object, kinds[i].name, &value)) {
            found = &kinds[i];
            part.object = value;
            n++;
        }
    }
    refuse_unknown(item, &kind_names);
    if (n == 1) {
        read_part(&part, found, path);
    } else {
        refuse(item, NULL, FAULT_NOT_ONE,
               "Input should have one of create, update, delete, rollback and undelete");
    }
}

static void read_item(struct json_text text, size_t index, struct changes *changes,
                      struct invalid *invalid)
{
    char path[PATH_BYTES];
    struct change_part item = {text, &changes->items[index], invalid};
    snprintf(path, sizeof path, "changes[%zu]", index);
    confreg__v1__write__init(&item.change->write);
    changes->list[index] = &item.change->write;
    invalid->within = path;
    if (check_object(&item)) {
        read_change(&item, path);
    }
    invalid->within = NULL;
}

/* The number of items. False: it is a fault. */
static bool count(struct json_text list, size_t *ret, struct invalid *invalid)
{
    struct json_text item;
    struct status st;
    *ret = 0;
    for (size_t at = 0; json_item(list, &at, &item);) {
        ++*ret;
    }
    if (*ret > 0 && *ret <= CHANGES_MAX) {
        return true;
    }
    status_bad_field(&st, "changes", "CHANGES_COUNT", "A commit has 1 to %d changes, found %zu",
                     CHANGES_MAX, *ret);
    status_exceeds(&st, CHANGES_MAX, *ret);
    invalid_add_status(invalid, "body", "changes", &st);
    return false;
}

void changes_read(struct json_text list, struct changes *ret, struct invalid *invalid)
{
    struct json_text item;
    *ret = (struct changes){0};
    size_t n;
    if (!count(list, &n, invalid)) {
        return;
    }
    ret->list = mem_array(n, sizeof(Confreg__V1__Write *));
    ret->items = mem_array(n, sizeof ret->items[0]);
    for (size_t at = 0; json_item(list, &at, &item);) {
        read_item(item, ret->n++, ret, invalid);
    }
}

void changes_fini(struct changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        str_fini(&changes->items[i].environment);
        str_fini(&changes->items[i].service);
        str_fini(&changes->items[i].epoch);
        str_fini(&changes->items[i].source);
    }
    free(changes->list);
    free(changes->items);
    *changes = (struct changes){0};
}
