#include "encode.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "str.h"
#include "wire.h"

#define HEX_DIGITS 16 /* of a number in a token */
#define OPENING_MAX_BYTES (2 * WIRE_VARINT_MAX_BYTES)

/* protobuf-c's text members are not const; it does not write to what it encodes. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= WIRE_VARINT_MORE; value >>= WIRE_VARINT_BITS) {
        out[n++] = (uint8_t)(value | WIRE_VARINT_MORE);
    }
    out[n++] = (uint8_t)value;
    return n;
}

static size_t put_opening(uint8_t out[OPENING_MAX_BYTES], uint32_t field, size_t size)
{
    size_t n = put_varint(out, WIRE_TAG((uint64_t)field, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED));
    return n + put_varint(out + n, size);
}

struct buf *encode_opening(uint32_t field, size_t n)
{
    uint8_t opening[OPENING_MAX_BYTES];
    return buf_copy(opening, put_opening(opening, field, n));
}

struct buf *encode_field_and(uint32_t field, const ProtobufCMessage *message, const void *tail,
                             size_t n_tail)
{
    uint8_t prefix[OPENING_MAX_BYTES];
    size_t size = protobuf_c_message_get_packed_size(message);
    size_t n = put_opening(prefix, field, size + n_tail);
    struct buf *b = buf_new(n + size + n_tail);
    memcpy(b->data, prefix, n);
    protobuf_c_message_pack(message, b->data + n);
    if (n_tail > 0) {
        memcpy(b->data + n + size, tail, n_tail);
    }
    return b;
}

struct buf *encode_field(uint32_t field, const ProtobufCMessage *message)
{
    return encode_field_and(field, message, NULL, 0);
}

struct buf *encode_message(const ProtobufCMessage *message)
{
    struct buf *b = buf_new(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, b->data);
    return b;
}

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return mempcpy(at, digits + n, sizeof digits - n);
}

/* Every response has a token: printf would take a hundredth of a GetConfig. */
static void put_token(char token[POSITION_TOKEN_SIZE], const char *epoch, uint64_t revision,
                      uint64_t chain)
{
    uint64_t big_endian = htobe64(chain);
    char *at = mempcpy(token, epoch, strlen(epoch));
    *at++ = '-';
    at = put_number(at, revision);
    *at++ = '-';
    hex_encode(&big_endian, sizeof big_endian, at);
}

void describe_position(struct described_position *position, const char *epoch, uint64_t revision,
                       uint64_t chain)
{
    Confreg__V1__Position *message = &position->message;
    confreg__v1__position__init(message);
    message->epoch = text_of(epoch);
    message->revision = revision;
    message->chain_hash = chain;
    message->token = position->token;
    put_token(position->token, epoch, revision, chain);
}

void describe_rights(struct described_position *position, uint64_t rights)
{
    if (rights != 0) {
        uint64_t big_endian = htobe64(rights);
        char *at = position->token + strlen(position->token);
        *at++ = '-';
        hex_encode(&big_endian, sizeof big_endian, at);
    }
}

/* Takes "-" and 16 digits, and moves *at behind them. */
static bool take_digits(const char **at, uint64_t *ret)
{
    uint64_t big_endian;
    if (**at != '-' || strlen(*at) <= HEX_DIGITS ||
        !hex_decode(*at + 1, HEX_DIGITS, &big_endian, sizeof big_endian)) {
        return false;
    }
    *ret = be64toh(big_endian);
    *at += 1 + HEX_DIGITS;
    return true;
}

bool parse_position_token(const char *token, struct parsed_position *ret)
{
    uint8_t epoch[EPOCH_SIZE];
    size_t n_epoch = strcspn(token, "-");
    if (n_epoch != EPOCH_TEXT_SIZE - 1 || token[n_epoch] != '-' ||
        !hex_decode(token, n_epoch, epoch, sizeof epoch)) {
        return false;
    }
    struct parsed_position parsed = {.rights = 0};
    memcpy(parsed.epoch, token, n_epoch);
    const char *revision = token + n_epoch + 1;
    const char *at = revision + strspn(revision, "0123456789");
    errno = 0;
    parsed.revision = strtoull(revision, NULL, 10);
    if (at == revision || errno != 0 || !take_digits(&at, &parsed.chain) ||
        (*at != '\0' && !take_digits(&at, &parsed.rights)) || *at != '\0') {
        return false;
    }
    *ret = parsed;
    return true;
}

void describe_time(Google__Protobuf__Timestamp *time, int64_t wall_us)
{
    google__protobuf__timestamp__init(time);
    int64_t micros = wall_us % 1000000;
    time->seconds = wall_us / 1000000;
    if (micros < 0) { /* times before 1970 (imports): nanos must not be negative */
        micros += 1000000;
        time->seconds--;
    }
    time->nanos = (int32_t)(micros * 1000);
}

void describe_commit(Confreg__V1__Commit *message, Google__Protobuf__Timestamp *time,
                     const struct commit *commit)
{
    confreg__v1__commit__init(message);
    describe_time(time, commit->time_us);
    message->revision = commit->revision;
    message->commit_time = time;
    message->actor = commit->actor;
    message->credential = commit->credential;
    message->method = commit->method;
    message->peer = commit->peer;
    message->comment = commit->comment;
    message->request_id = commit->request_id;
    message->change_count = (uint32_t)commit->n_changes;
    if (commit->created_by != NULL) {
        message->created_by = commit->created_by;
        message->created_by_empty = commit->created_by[0] == '\0';
    }
}

static ProtobufCBinaryData bytes_of(const struct buf *b)
{
    ProtobufCBinaryData data = {0};
    if (b != NULL) {
        data.len = b->len;
        data.data = (uint8_t *)(uintptr_t)b->data;
    }
    return data;
}

static Confreg__V1__PayloadState removed_state(const struct change *change)
{
    return change->compacted ? CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_COMPACTED
                             : CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED;
}

/* A macro because Config and Version have the same field names but unrelated types. */
#define DESCRIBE_VERSION(message, time, ref)                                                       \
    do {                                                                                           \
        const struct change *change_ = version_change(ref);                                        \
        const char *author_ = version_author(ref);                                                 \
        describe_time(time, version_time_us(ref));                                                 \
        (message)->create_time = (time);                                                           \
        (message)->version = change_->version;                                                     \
        (message)->kind = (Confreg__V1__ChangeKind)change_->kind;                                  \
        if (author_ != NULL) {                                                                     \
            (message)->created_by = text_of(author_);                                              \
            (message)->created_by_empty = author_[0] == '\0';                                      \
        }                                                                                          \
        (message)->comment = (ref)->commit->comment;                                               \
        (message)->revision = (ref)->commit->revision;                                             \
        (message)->source_version = change_->source_version;                                       \
        (message)->config_data = bytes_of(change_->payload);                                       \
        if (change_->payload == NULL) {                                                            \
            (message)->payload_state = removed_state(change_);                                     \
        }                                                                                          \
    } while (0)

static void describe_key(Confreg__V1__Config *config, const struct change *change)
{
    config->environment = text_of(key_environment(change->environment));
    config->service_name = change->service;
    config->resource = (Confreg__V1__ResourceKind)key_kind(change->environment);
}

static void describe_config(Confreg__V1__Config *config, Google__Protobuf__Timestamp *time,
                            const struct version_ref *version, uint64_t mod_revision)
{
    confreg__v1__config__init(config);
    describe_key(config, version_change(version));
    DESCRIBE_VERSION(config, time, version);
    config->mod_revision = mod_revision;
}

static const char *source_of(const struct change *change)
{
    return change->source_environment == NULL ? "" : change->source_environment;
}

void describe_version(Confreg__V1__Version *message, Google__Protobuf__Timestamp *time,
                      const struct version_ref *version)
{
    confreg__v1__version__init(message);
    DESCRIBE_VERSION(message, time, version);
    message->source_environment = text_of(source_of(version_change(version)));
    message->secrets_allowed = version_change(version)->secrets_allowed;
}

struct buf *encode_config(const struct version_ref *version, uint64_t mod_revision)
{
    Confreg__V1__Config config;
    Google__Protobuf__Timestamp time;
    describe_config(&config, &time, version, mod_revision);
    return encode_field(FIELD_CONFIG, &config.base);
}

struct buf *encode_deleted(const struct version_ref *change, uint64_t last_version, bool is_erased)
{
    const struct commit *commit = change->commit;
    Confreg__V1__Config config;
    Google__Protobuf__Timestamp time;
    confreg__v1__config__init(&config);
    describe_time(&time, commit->time_us);
    describe_key(&config, version_change(change));
    config.kind = (Confreg__V1__ChangeKind)version_change(change)->kind;
    config.create_time = &time;
    if (commit->created_by != NULL) {
        config.created_by = commit->created_by;
        config.created_by_empty = commit->created_by[0] == '\0';
    }
    config.comment = commit->comment;
    config.revision = commit->revision;
    config.mod_revision = commit->revision;
    config.last_version = last_version;
    config.payload_state = is_erased ? CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED
                                     : CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED;
    return encode_field(FIELD_CONFIG, &config.base);
}

/* Where a field's content begins: behind the tag, which is one byte, and the length. */
static size_t content_of(const struct buf *field)
{
    size_t at = 1;
    while ((field->data[at] & WIRE_VARINT_MORE) != 0) {
        at++;
    }
    return at + 1;
}

Confreg__V1__Config *decode_config(const struct buf *config)
{
    size_t at = content_of(config);
    return confreg__v1__config__unpack(NULL, config->len - at, config->data + at);
}

static struct buf *encode_stripped(const struct buf *config, Confreg__V1__PayloadState state,
                                   bool with_comment)
{
    Confreg__V1__Config *message = decode_config(config);
    Confreg__V1__Config stripped = *message;
    stripped.config_data = (ProtobufCBinaryData){0};
    stripped.payload_state = state;
    if (!with_comment) {
        stripped.comment = text_of("");
    }
    struct buf *encoded = encode_field(FIELD_CONFIG, &stripped.base);
    confreg__v1__config__free_unpacked(message, NULL);
    return encoded;
}

struct buf *encode_without_payload(const struct buf *config, Confreg__V1__PayloadState state)
{
    return encode_stripped(config, state, true);
}

struct buf *encode_brief(const struct buf *config)
{
    return encode_stripped(config, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED, false);
}

struct buf *encode_fitting(struct buf *config, bool include_large)
{
    if (config == NULL || include_large || config->len <= LARGE_BYTES) {
        return config;
    }
    AUTO(buf_unref) struct buf *whole = config;
    return encode_without_payload(whole, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED);
}

bool event_has_config(const struct change *change)
{
    return change->head_version != 0 && change_touches_head(change);
}

bool event_has_previous(const struct change *change)
{
    return change->previous_version != 0 && change_touches_head(change);
}

static bool has_payload(const struct buf *config)
{
    Confreg__V1__Config *message = decode_config(config);
    bool has = message->config_data.len > 0;
    confreg__v1__config__free_unpacked(message, NULL);
    return has;
}

/* Appends the heads after (config, may be NULL) and before (previous) the change. Both are encoded
 * as field 2. In an Event the previous head has another field number: its tag byte is replaced. */
static void add_heads(struct str *out, const struct buf *config, const struct buf *previous)
{
    size_t n = config == NULL ? 0 : config->len;
    AUTO(buf_unref) struct buf *without = NULL;
    if (n + previous->len > EVENT_BYTES && has_payload(previous)) {
        without =
            encode_without_payload(previous, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED);
        previous = without;
    }
    if (n > 0) {
        str_add(out, config->data, n);
    }
    str_add_char(out, WIRE_TAG(FIELD_PREVIOUS, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED));
    str_add(out, previous->data + 1, previous->len - 1);
}

struct buf *encode_event(uint32_t field, const struct commit *commit, size_t index,
                         const struct event_content *content)
{
    const struct change *change =
        content->change != NULL ? content->change : &commit->changes[index];
    Confreg__V1__Event event;
    confreg__v1__event__init(&event);
    Google__Protobuf__Timestamp commit_time;
    describe_time(&commit_time, commit->time_us);
    event.commit_time = &commit_time;
    event.kind = (Confreg__V1__ChangeKind)change->kind;
    event.resource = (Confreg__V1__ResourceKind)key_kind(change->environment);
    event.environment = text_of(key_environment(change->environment));
    event.service_name = change->service;
    event.version = change->version;
    event.head_version = change->head_version;
    event.previous_version = change->previous_version;
    event.revision = commit->revision;
    event.index = (uint32_t)index;
    event.secrets_allowed = change->secrets_allowed;
    if (change->source_environment != NULL) {
        event.source_environment = change->source_environment;
        event.source_version = change->source_version;
    }
    event.comment = field == FIELD_COMMIT_CHANGES ? text_of("") : commit->comment;
    if (commit->created_by != NULL) {
        event.created_by = commit->created_by;
        event.created_by_empty = commit->created_by[0] == '\0';
    }
    const struct buf *config = content->config;
    if (content->previous != NULL) {
        AUTO_STR both = {0};
        add_heads(&both, config, content->previous);
        return encode_field_and(field, &event.base, both.data, both.len);
    }
    if (content->diff != NULL) {
        assert(config == NULL && "an event has heads or their difference");
        return encode_field_and(field, &event.base, content->diff->data, content->diff->len);
    }
    return encode_field_and(field, &event.base, config == NULL ? NULL : config->data,
                            config == NULL ? 0 : config->len);
}

static void omit_payload(Confreg__V1__Config *config)
{
    if (config != NULL && config->config_data.len > 0) {
        free(config->config_data.data); /* unpacked by protobuf-c's default allocator */
        config->config_data = (ProtobufCBinaryData){0};
        config->payload_state = CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED;
    }
}

struct buf *encode_event_briefly(const struct buf *event)
{
    if (event->len <= LARGE_BYTES) {
        return NULL;
    }
    size_t at = content_of(event);
    Confreg__V1__Event *message =
        confreg__v1__event__unpack(NULL, event->len - at, event->data + at);
    omit_payload(message->config);
    omit_payload(message->previous);
    struct buf *brief = encode_field(FIELD_EVENTS, &message->base);
    confreg__v1__event__free_unpacked(message, NULL);
    return brief;
}
