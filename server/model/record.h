/* The record: the canonical byte form of a commit, which is stored and hashed. A commit has exactly
 * one record, and its formats never change: old logs stay readable and their hashes valid.
 *
 * Numbers are big-endian. A text is its length in 16 bits and its bytes, free of NUL. An optional
 * text is a byte 0, or a byte 1 and the text. Times are microseconds since 1970.
 *
 *     u8 format, 8 bytes epoch, u64 revision, 32 bytes hash of the commit before, i64 time,
 *     16 bytes nonce, text actor, in format 4: text credential and text method,
 *     text peer, optional created_by, text comment,
 *     text request_id, 32 bytes fingerprint where request_id is not empty,
 *     u16 number of changes, and for each
 *         u8 kind, with RECORD_SCHEMA_BIT if it is a change of a schema (key.h), and with
 *         RECORD_SECRETS_BIT if it was allowed although its value looks like a secret,
 *         text environment (of a schema: without the mark), text service,
 *         u64 version, u64 head_version,
 *         u64 previous_version, u64 source_version, u64 removed,
 *         in format 5: optional source_environment,
 *         if it adds a version: 32 bytes salted payload hash, u64 payload size,
 *         if it is an import: i64 time, optional author.
 *
 * The lowest format that holds the commit is used. Format 2 has the layout of format 1; it marks
 * commits with a change of kind 7 or higher, of a schema, or with allowed secrets, which a reader
 * of format 1 does not know. Format 3 is for commits of any kind whose comment exceeds 65,535
 * bytes: the length of the comment has 32 bits. Format 4 is for commits of any kind with a
 * credential or a method; its comments are those of format 3. Format 5 has the layout of format 4
 * and is for commits with a copy from another environment. A new layout needs a new format number.
 *
 * Pure; any thread. */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "commit.h"

#define RECORD_FORMAT 1
#define RECORD_FORMAT_KINDS 2
#define RECORD_FORMAT_LONG 3
#define RECORD_FORMAT_CALL 4
#define RECORD_FORMAT_COPY 5
#define RECORD_SCHEMA_BIT 0x40
#define RECORD_SECRETS_BIT 0x80

/* Returns one reference. Texts must be within their limits (commit.h). */
struct buf *record_encode(const struct commit *commit);

/* Returns one reference to a commit without record, hash and payloads. NULL: the bytes are not
 * exactly one record in its canonical format. Accepts hostile input. */
struct commit *record_decode(const uint8_t *bytes, size_t n);

#endif
