/* Commits: the records of the log. A commit is immutable once it is sealed and is shared by
 * reference between the committer, the watches and the store.
 *
 * Its byte form, the record, is our own, canonical and the same on every store; the commit's hash
 * is the SHA-256 of the record, and the record holds the hash of the commit before. Payloads are
 * not in it but their salted hashes, so that a payload can be erased and the chain stays whole. */
#ifndef MODEL_COMMIT_H
#define MODEL_COMMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "hash.h"
#include "status.h"

#define EPOCH_SIZE 8
#define EPOCH_TEXT_SIZE (2 * EPOCH_SIZE + 1)
#define NONCE_SIZE 16
#define SALT_SIZE 16

#define COMMIT_MAX_CHANGES 128
#define COMMIT_MAX_BYTES (8u << 20) /* of payloads */
#define COMMENT_MAX_BYTES (64u << 10)
#define AUTHOR_MAX_BYTES 1024
#define REQUEST_ID_MAX_BYTES 128

/* Stored: the numbers never change. They are those of confreg.v1.ChangeKind. */
enum change_kind {
    CHANGE_CREATE = 1,
    CHANGE_UPDATE = 2,
    CHANGE_ROLLBACK = 3,
    CHANGE_DELETE = 4,
    CHANGE_ERASE = 5,
    CHANGE_IMPORT = 6,
    /* 7 is kept for schemas */
    CHANGE_COMPACT = 8, /* of the whole registry; its names are "" */
    CHANGE_KINDS,
};

/* Whether a change of this kind brings a version (and so has a payload). */
bool change_brings_version(enum change_kind kind);

struct change {
    enum change_kind kind;
    char *environment;         /* owned */
    char *service;             /* owned */
    uint64_t version;          /* brought; of a delete or erase the one asked for, 0: all; of a
                                  compaction the floor */
    uint64_t head_version;     /* after the change; 0: the config is gone */
    uint64_t previous_version; /* the head's before, 0: there was none; of a compaction the floor
                                  before */
    uint64_t source_version;  /* of a rollback; of an erase of the whole config, the last one given;
                                 of a compaction, how many versions are kept */
    uint64_t removed;         /* how many live versions left with a delete or erase */
    struct hash payload_hash; /* SHA-256 of salt and payload, where the change brings a version */
    uint64_t payload_size;
    uint8_t salt[SALT_SIZE]; /* zero where the payload is not here */
    struct buf *payload;     /* owned reference; NULL: none, erased, compacted, or not read */
    bool compacted;          /* the payload was dropped by a compaction */
    /* Of an import: what the version had elsewhere. */
    int64_t given_time_us;
    char *given_author; /* owned; NULL: none */
};

/* Whether a change is one of a config, which watches and lists of its history show. */
bool change_has_config(enum change_kind kind);
/* Whether a change gave the config another head or took it; not so where a version was deleted that
 * was not the head. */
bool change_touches_head(const struct change *change);

struct commit {
    atomic_uint refs;
    uint8_t epoch[EPOCH_SIZE]; /* of the log when it was sealed */
    uint64_t revision;
    int64_t time_us;
    uint8_t nonce[NONCE_SIZE];
    struct hash previous_hash;
    struct hash hash; /* of record; set by commit_seal and commit_decode */
    char *actor;      /* owned, as are the strings below; "" where unknown */
    char *peer;
    char *created_by; /* NULL: nobody said */
    char *comment;
    char *request_id;        /* "": none */
    struct hash fingerprint; /* of the request, where request_id is set */
    struct buf *record;      /* owned reference */
    struct change *changes;  /* owned */
    size_t n_changes;
};

/* A commit with n zeroed changes and all strings "" (created_by NULL); one reference. */
struct commit *commit_new(size_t n_changes);
struct commit *commit_ref(struct commit *commit);
void commit_unref(struct commit *commit);
MEM_CLEANUP(struct commit, commit_unref)

/* Draws the nonce and the salts, hashes the payloads, encodes the record and hashes it. The commit
 * must have its revision, time, previous_hash and changes; it is immutable afterwards. */
void commit_seal(struct commit *commit, const uint8_t epoch[EPOCH_SIZE]);

/* A commit out of its record, without payloads and salts. DATA_LOSS, reason LOG_DAMAGED, where the
 * record has no such form. */
bool commit_decode(struct buf *record, struct commit **ret_commit, struct status *st);

/* A copy of a sealed commit that keeps its payloads when the commit gives them back. */
struct commit *commit_copy(const struct commit *commit);

/* Gives a decoded change its payload and salt (both copied or referenced) and checks them against
 * the hash. DATA_LOSS, reason PAYLOAD_DAMAGED, where they do not match. Before it is shared. */
bool commit_attach_payload(struct commit *commit, size_t index, const uint8_t salt[SALT_SIZE],
                           struct buf *payload, struct status *st);

/* Whether a commit makes a payload go away that was there. */
bool commit_erases(const struct commit *commit);

/* Gives the payloads of a sealed commit back; hashes and sizes stay. Before it is shared. */
void commit_forget_payloads(struct commit *commit);

/* The table key under which a request_id is found again: of the principal and the id. */
struct hash commit_request_key(const char *actor, const char *request_id);

/* One version of a config: a change that brought it, in its commit. */
struct version_ref {
    struct commit *commit; /* owned reference; NULL: none */
    size_t index;
};
static inline const struct change *version_change(const struct version_ref *v)
{
    return &v->commit->changes[v->index];
}
/* The version's own time and author (NULL: none), which an import gives itself. */
int64_t version_time_us(const struct version_ref *v);
const char *version_author(const struct version_ref *v);

#endif
