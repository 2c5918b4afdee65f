/* Protobuf encoding of heads and events. Each is sent to many clients, so it is encoded once and
 * the immutable bytes are shared by reference (struct buf).
 *
 * Heads and events are encoded as fields (tag and length included) of the message that contains
 * them: a response is the concatenation of such fields, without another copy or encoding.
 *
 * Pure functions; any thread. Returned bufs are owned by the caller. */
#ifndef MODEL_ENCODE_H
#define MODEL_ENCODE_H

#include "confreg/v1/registry.pb-c.h"

#include "commit.h"

/* Field numbers of registry.proto. */
#define FIELD_HEADER 1 /* of every response */
#define FIELD_CONFIG 2 /* of every response that carries heads, and of Event */
#define FIELD_EVENTS 3 /* of WatchResponse */
#define FIELD_COMMIT_CHANGES 7
#define FIELD_PREVIOUS 13   /* of Event */
#define FIELD_EVENT_DIFF 14 /* of Event */

#define EVENT_BYTES (3u << 20)  /* gRPC clients accept messages of 4 MiB by default */
#define LARGE_BYTES EVENT_BYTES /* larger heads and events are sent only on request */

/* Encodes a Config as field 2 of a response, tag and length included. The payload, if there is one,
 * is its last bytes; otherwise payload_state says why not. */
struct buf *encode_config(const struct version_ref *version, uint64_t mod_revision);

/* Encodes a deleted config as field 2 of a response. change: the one that deleted it. is_erased: no
 * version is left to undelete. */
struct buf *encode_deleted(const struct version_ref *change, uint64_t last_version, bool is_erased);

/* Encodes the same Config without its payload and with this payload_state. config: a result of
 * encode_config. */
struct buf *encode_without_payload(const struct buf *config, Confreg__V1__PayloadState state);
/* Encodes the same Config without payload (PAYLOAD_STATE_OMITTED) and comment. Used when a response
 * has reached its size limit. */
struct buf *encode_brief(const struct buf *config);
/* Returns what to send of a result of encode_config, whose reference moves: itself, or, if it is
 * larger than LARGE_BYTES and not include_large, the same without its payload
 * (PAYLOAD_STATE_OMITTED). */
struct buf *encode_fitting(struct buf *config, bool include_large);
/* Unpacks a result of encode_config; free it with confreg__v1__config__free_unpacked. */
Confreg__V1__Config *decode_config(const struct buf *config);

/* The parts of an event that are not in its commit. All borrowed. */
struct event_content {
    const struct change *change; /* replaces the commit's change (resolved watches); NULL: do not */
    /* Heads encoded by encode_config; NULL: the event carries none. */
    const struct buf *config;   /* after the change */
    const struct buf *previous; /* before it */
    const struct buf *diff;     /* an encoded Diff, as field FIELD_EVENT_DIFF */
};
/* Encodes an Event as field `field` of the message that contains it. In a Commit message
 * (FIELD_COMMIT_CHANGES) the comment is left out, because it would repeat the commit's. If both
 * heads together exceed EVENT_BYTES, the previous one is encoded without its payload
 * (PAYLOAD_STATE_OMITTED). */
struct buf *encode_event(uint32_t field, const struct commit *commit, size_t index,
                         const struct event_content *content);

/* Encodes an event of more than LARGE_BYTES again, without payloads (PAYLOAD_STATE_OMITTED). NULL:
 * it is not as large. event: a result of encode_event with FIELD_EVENTS. */
struct buf *encode_event_briefly(const struct buf *event);

/* Encodes any message as a length-delimited field with this number. */
struct buf *encode_field(uint32_t field, const ProtobufCMessage *message);
/* The same, with n_tail bytes of already encoded fields appended inside the message. */
struct buf *encode_field_and(uint32_t field, const ProtobufCMessage *message, const void *tail,
                             size_t n_tail);
/* Encodes the tag and length that precede the n bytes of a length-delimited field. */
struct buf *encode_opening(uint32_t field, size_t n);
/* Encodes a message without tag and length, as one piece of a response. */
struct buf *encode_message(const ProtobufCMessage *message);

/* Whether the event of a change carries a new head: a version was added, or the head fell back to
 * an older version. */
bool event_has_config(const struct change *change);
/* Whether the event of a change can carry a previous head: the change replaced or removed one. */
bool event_has_previous(const struct change *change);

/* The token of a position: "EPOCH-REVISION-HASH", with the first 8 bytes of the hash as 16
 * hexadecimal digits. Where rights are in force, that of a watch goes on with "-RIGHTS", 16 more:
 * the digest of what its caller could read (view_digest). */
#define POSITION_TOKEN_SIZE                                                                        \
    (EPOCH_TEXT_SIZE + sizeof "-18446744073709551615-0123456789abcdef-0123456789abcdef")
struct described_position {
    Confreg__V1__Position message;
    char token[POSITION_TOKEN_SIZE]; /* the message points to it */
};
/* Fills a Position message. chain: the first 8 bytes of the commit's hash. epoch is borrowed. */
void describe_position(struct described_position *position, const char *epoch, uint64_t revision,
                       uint64_t chain);
/* Adds rights to the token of a position that was described. 0: none. */
void describe_rights(struct described_position *position, uint64_t rights);

struct parsed_position {
    char epoch[EPOCH_TEXT_SIZE];
    uint64_t revision;
    uint64_t chain;
    uint64_t rights; /* 0: the token has none */
};
/* Parses a token. False: it is not one. */
bool parse_position_token(const char *token, struct parsed_position *ret);

/* Fills a Commit without its changes; borrows all members from the commit. time: memory of the
 * caller, which the message points to. */
void describe_commit(Confreg__V1__Commit *message, Google__Protobuf__Timestamp *time,
                     const struct commit *commit);

/* Fill a message that borrows all its members from the arguments. time: memory of the caller, which
 * the message points to. wall_us: microseconds since 1970, negative before. */
void describe_version(Confreg__V1__Version *message, Google__Protobuf__Timestamp *time,
                      const struct version_ref *version);
void describe_time(Google__Protobuf__Timestamp *time, int64_t wall_us);

#endif
