/* The canonical byte form of a commit, format 1, 2 or 3. Numbers are big-endian; a text is its
 * length in 16 bits and its bytes; an optional text is a byte 0, or a byte 1 and the text.
 *
 *     u8 format, 8 bytes epoch, u64 revision, 32 bytes hash of the commit before, i64 time,
 *     16 bytes nonce, text actor, text peer, optional created_by, text comment,
 *     text request_id, 32 bytes fingerprint where request_id is not empty,
 *     u16 number of changes, and for each
 *         u8 kind, text environment, text service, u64 version, u64 head_version,
 *         u64 previous_version, u64 source_version, u64 removed,
 *         where it brings a version: 32 bytes salted payload hash, u64 payload size,
 *         where it is an import: i64 time, optional author.
 *
 * Format 2 is the same for commits with a change of kind 7 or more, which a reader of format 1 does
 * not know. Format 3 is for commits of any kinds whose comment has more than 65,535 bytes: there
 * the comment's length has 32 bits. Every other commit has format 1. Another form gets another
 * format byte; these never change. */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "commit.h"

#define RECORD_FORMAT 1
#define RECORD_FORMAT_COMPACT 2
#define RECORD_FORMAT_LONG 3

struct buf *record_encode(const struct commit *commit);

/* A commit without record, hash and payloads; NULL where the bytes are not exactly one record of
 * this format with texts that are free of NUL. */
struct commit *record_decode(const uint8_t *bytes, size_t n);

#endif
