/* The protobuf form of what is sent over and over: heads and events, encoded once and shared. */
#ifndef MODEL_ENCODE_H
#define MODEL_ENCODE_H

#include "confreg/v1/registry.pb-c.h"

#include "commit.h"

#define FIELD_HEADER 1 /* of every response */
#define FIELD_CONFIG 2 /* of every response that carries heads, and of Event */
#define FIELD_EVENTS 3 /* of WatchResponse */
#define FIELD_COMMIT_CHANGES 7
#define FIELD_PREVIOUS 13 /* of Event */

#define EVENT_BYTES (3u << 20) /* gRPC clients accept messages of 4 MiB by default */

/* A Config message as field 2 of a response, with tag and length; it ends with the payload, where
 * there is one (else payload_state tells). */
struct buf *encode_config(const struct version_ref *version, uint64_t mod_revision);

/* The same Config without its payload, for this reason, owned. config: as encode_config gives it.
 */
struct buf *encode_without_payload(const struct buf *config, Confreg__V1__PayloadState state);
/* The same Config without payload (PAYLOAD_STATE_OMITTED) and comment, for a full answer. */
struct buf *encode_brief(const struct buf *config);
/* The Config message of such a field, unpacked; free it with confreg__v1__config__free_unpacked. */
Confreg__V1__Config *decode_config(const struct buf *config);

/* What an event says beside its commit. */
struct event_content {
    const struct change *change; /* how the change is told; NULL: as the commit has it */
    /* Heads as encode_config gives them; NULL where the event carries none. */
    const struct buf *config;   /* after the change */
    const struct buf *previous; /* before it */
};
/* Encodes an Event as field `field` of the message that holds it. An event inside a Commit message
 * has no comment, which would repeat the commit's own. If both heads together exceed EVENT_BYTES,
 * the previous one comes without its payload (PAYLOAD_STATE_OMITTED). */
struct buf *encode_event(uint32_t field, const struct commit *commit, size_t index,
                         const struct event_content *content);

/* Any message as a length-delimited field with this number. */
struct buf *encode_field(uint32_t field, const ProtobufCMessage *message);
/* The same with n bytes of encoded fields of the message behind what it holds itself. */
struct buf *encode_field_and(uint32_t field, const ProtobufCMessage *message, const void *tail,
                             size_t n_tail);
/* What stands before the n bytes of such a field. */
struct buf *encode_opening(uint32_t field, size_t n);
/* A message alone, as a response's piece. */
struct buf *encode_message(const ProtobufCMessage *message);

/* Whether the event of a change carries a head: it brought a version, or the head fell back. */
bool event_has_config(const struct change *change);
/* Whether an event with the value before has one: the change replaced or took a head. */
bool event_has_previous(const struct change *change);

/* A Position message: chain is the short form of the hash. Borrows epoch. */
void describe_position(Confreg__V1__Position *position, const char *epoch, uint64_t revision,
                       uint64_t chain);

/* Fills a message that borrows everything from its sources. time is the caller's room. */
void describe_config(Confreg__V1__Config *config, Google__Protobuf__Timestamp *time,
                     const struct version_ref *version, uint64_t mod_revision);
void describe_version(Confreg__V1__Version *message, Google__Protobuf__Timestamp *time,
                      const struct version_ref *version);
void describe_time(Google__Protobuf__Timestamp *time, int64_t wall_us);

#endif
