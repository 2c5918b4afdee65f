#include "bench_api.h"

#include <stdio.h>
#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "etcd.pb-c.h"

#define SERVICE "/confreg.v1.RegistryService/"
#define PAYLOAD 500

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

#define KEY_ROOM 64

static const char *key_of(const struct keys *keys, size_t i, char room[KEY_ROOM])
{
    if (keys->n == 1) {
        return keys->name;
    }
    snprintf(room, KEY_ROOM, "%s-%zu", keys->name, i % keys->n);
    return room;
}

static ProtobufCBinaryData payload(char room[PAYLOAD + 1])
{
    snprintf(room, PAYLOAD + 1, "{\"x\":\"%0*d\"}", PAYLOAD - 8, 0);
    return bytes_of(room);
}

/* ---- Responses: looked through, not unpacked ---- */

static uint64_t varint(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (; (**at & 0x80) != 0; shift += 7, ++*at) {
        value |= (uint64_t)(**at & 0x7f) << shift;
    }
    return value | (uint64_t) * (*at)++ << shift;
}

struct field {
    uint64_t key;
    uint64_t value; /* or how many bytes there are */
    const uint8_t *bytes;
};

#define NUMBER(n) ((n) << 3)
#define BYTES(n) ((n) << 3 | 2)

static struct field next_field(const uint8_t **at)
{
    struct field field = {.key = varint(at)};
    bool fixed = (field.key & 7) == 1;
    field.value = fixed ? 8 : varint(at);
    field.bytes = *at;
    *at += fixed || (field.key & 7) == 2 ? field.value : 0;
    return field;
}

/* ---- confreg ---- */

static void confreg_watch(struct h2 *connection, const struct keys *keys, size_t n,
                          Confreg__V1__Position *after, struct h2_call *call)
{
    char rooms[KEYS_MAX][KEY_ROOM];
    Confreg__V1__WatchRequest request;
    Confreg__V1__Selector selectors[KEYS_MAX];
    Confreg__V1__Selector *pointers[KEYS_MAX];
    confreg__v1__watch_request__init(&request);
    for (size_t i = 0; i < n; i++) {
        confreg__v1__selector__init(&selectors[i]);
        selectors[i].environment = text_of("prod");
        selectors[i].service_name = text_of(key_of(keys, i, rooms[i]));
        pointers[i] = &selectors[i];
    }
    request.selectors = pointers;
    request.n_selectors = n;
    request.resume_after = after;
    h2_call(connection, SERVICE "Watch", &request.base, call);
}

static void confreg_write_one(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[PAYLOAD + 1];
    Confreg__V1__UpdateConfigRequest request;
    confreg__v1__update_config_request__init(&request);
    request.environment = text_of("prod");
    request.service_name = text_of(keys->name);
    request.allow_missing = true;
    request.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    request.config_data = payload(room);
    h2_call(connection, SERVICE "UpdateConfig", &request.base, call);
}

static void confreg_write_many(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[PAYLOAD + 1];
    char rooms[KEYS_MAX][KEY_ROOM];
    Confreg__V1__UpdateConfigRequest updates[KEYS_MAX];
    Confreg__V1__Write changes[KEYS_MAX];
    Confreg__V1__Write *pointers[KEYS_MAX];
    Confreg__V1__CommitChangesRequest request;
    confreg__v1__commit_changes_request__init(&request);
    for (size_t i = 0; i < keys->n; i++) {
        confreg__v1__update_config_request__init(&updates[i]);
        updates[i].environment = text_of("prod");
        updates[i].service_name = text_of(key_of(keys, i, rooms[i]));
        updates[i].allow_missing = true;
        updates[i].content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
        updates[i].config_data = payload(room);
        confreg__v1__write__init(&changes[i]);
        changes[i].write_case = CONFREG__V1__WRITE__WRITE_UPDATE;
        changes[i].update = &updates[i];
        pointers[i] = &changes[i];
    }
    request.changes = pointers;
    request.n_changes = keys->n;
    h2_call(connection, SERVICE "CommitChanges", &request.base, call);
}

static void confreg_write(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    (keys->n == 1 ? confreg_write_one : confreg_write_many)(connection, keys, call);
}

static void confreg_read(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[KEY_ROOM];
    Confreg__V1__GetConfigRequest request;
    confreg__v1__get_config_request__init(&request);
    request.environment = text_of("prod");
    request.service_name = text_of(key_of(keys, 0, room));
    h2_call(connection, SERVICE "GetConfig", &request.base, call);
}

static uint64_t revision_of(const uint8_t *position, size_t n)
{
    for (const uint8_t *at = position; at < position + n;) {
        struct field field = next_field(&at);
        if (field.key == NUMBER(2)) {
            return field.value;
        }
    }
    return 0;
}

/* {Position header = 1; repeated Config configs = 2; repeated Event events = 3; kind = 4; …} */
static struct told confreg_tell(const uint8_t *response, size_t n)
{
    struct told told = {0};
    for (const uint8_t *at = response; at < response + n;) {
        struct field field = next_field(&at);
        if (field.key == BYTES(1)) {
            told.header = field.bytes;
            told.n_header = field.value;
            told.revision = revision_of(field.bytes, field.value);
        }
        if (field.key == NUMBER(4)) {
            told.started +=
                field.value == CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_STARTED;
        }
        told.events += field.key == BYTES(3);
    }
    return told;
}

const struct api api_confreg = {confreg_watch, confreg_write, confreg_read, confreg_tell, true};

static void confreg_watch_wide(struct h2 *connection, const struct keys *keys, size_t n,
                               Confreg__V1__Position *after, struct h2_call *call)
{
    (void)n;
    confreg_watch(connection, keys, 0, after, call);
}

const struct api api_confreg_wide = {confreg_watch_wide, confreg_write, confreg_read, confreg_tell,
                                     true};

/* ---- etcd ---- */

static void etcd_watch(struct h2 *connection, const struct keys *keys, size_t n,
                       Confreg__V1__Position *after, struct h2_call *call)
{
    char room[KEY_ROOM];
    Bench__Etcd__WatchRequest request;
    Bench__Etcd__WatchCreateRequest create;
    (void)after;
    bench__etcd__watch_request__init(&request);
    bench__etcd__watch_create_request__init(&create);
    request.create_request = &create;
    create.key = bytes_of(key_of(keys, 0, room));
    call->stays_open = true;
    h2_call(connection, "/etcdserverpb.Watch/Watch", &request.base, call);
    for (size_t i = 1; i < n; i++) {
        create.key = bytes_of(key_of(keys, i, room));
        h2_add(call, &request.base);
    }
}

static void etcd_write_one(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[PAYLOAD + 1];
    Bench__Etcd__PutRequest request;
    bench__etcd__put_request__init(&request);
    request.key = bytes_of(keys->name);
    request.value = payload(room);
    h2_call(connection, "/etcdserverpb.KV/Put", &request.base, call);
}

static void etcd_write_many(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[PAYLOAD + 1];
    char rooms[KEYS_MAX][KEY_ROOM];
    Bench__Etcd__PutRequest puts[KEYS_MAX];
    Bench__Etcd__RequestOp ops[KEYS_MAX];
    Bench__Etcd__RequestOp *pointers[KEYS_MAX];
    Bench__Etcd__TxnRequest request;
    bench__etcd__txn_request__init(&request);
    for (size_t i = 0; i < keys->n; i++) {
        bench__etcd__put_request__init(&puts[i]);
        puts[i].key = bytes_of(key_of(keys, i, rooms[i]));
        puts[i].value = payload(room);
        bench__etcd__request_op__init(&ops[i]);
        ops[i].request_put = &puts[i];
        pointers[i] = &ops[i];
    }
    request.success = pointers;
    request.n_success = keys->n;
    h2_call(connection, "/etcdserverpb.KV/Txn", &request.base, call);
}

static void etcd_write(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    (keys->n == 1 ? etcd_write_one : etcd_write_many)(connection, keys, call);
}

static void etcd_read(struct h2 *connection, const struct keys *keys, struct h2_call *call)
{
    char room[KEY_ROOM];
    Bench__Etcd__RangeRequest request;
    bench__etcd__range_request__init(&request);
    request.key = bytes_of(key_of(keys, 0, room));
    request.serializable = true;
    h2_call(connection, "/etcdserverpb.KV/Range", &request.base, call);
}

/* {header = 1; watch_id = 2; bool created = 3; …; repeated Event events = 11} */
static struct told etcd_tell(const uint8_t *response, size_t n)
{
    struct told told = {0};
    for (const uint8_t *at = response; at < response + n;) {
        struct field field = next_field(&at);
        told.started += field.key == NUMBER(3) && field.value != 0;
        told.events += field.key == BYTES(11);
    }
    return told;
}

const struct api api_etcd = {etcd_watch, etcd_write, etcd_read, etcd_tell, false};
