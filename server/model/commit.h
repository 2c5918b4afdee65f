/* Commits: the entries of the log. One commit is one atomic step of the registry.
 *
 * Integrity: a commit is encoded once as a record (record.h), the same bytes on every store. The
 * commit's hash is the SHA-256 of its record, and the record contains the hash of the commit
 * before, so the log is a hash chain. A record contains salted hashes of the payloads instead of
 * the payloads: a payload can be erased and the chain stays valid.
 *
 * Life: commit_new, fill the fields, commit_seal; or commit_decode and commit_attach_payload for
 * commits of the store. After that a commit is immutable.
 *
 * Threads: references are counted atomically; any thread may hold and read a finished commit.
 * Before it is shared, a commit belongs to the thread that makes it. */
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

/* The values are stored in the log and must never change. They equal confreg.v1.ChangeKind. */
enum change_kind {
    CHANGE_CREATE = 1,
    CHANGE_UPDATE = 2,
    CHANGE_ROLLBACK = 3,
    CHANGE_DELETE = 4,
    CHANGE_ERASE = 5,
    CHANGE_IMPORT = 6,
    /* 7 was never used */
    CHANGE_COMPACT = 8, /* concerns the whole registry: environment and service are "" */
    CHANGE_UNDELETE = 9,
    CHANGE_KINDS,
};

/* Whether a change of this kind adds a version, and therefore has a payload. */
bool change_brings_version(enum change_kind kind);

struct change {
    enum change_kind kind;
    char *environment;         /* of a key (key.h); owned */
    char *service;             /* owned */
    uint64_t version;          /* the version added; delete, erase: the version requested, 0: the
                                  whole config; compaction: the floor */
    uint64_t head_version;     /* of the head after the change; 0: the config is deleted */
    uint64_t previous_version; /* of the head before the change; 0: there was none; compaction: the
                                  floor before */
    uint64_t source_version;   /* rollback, undelete, copy: the version copied; erase of the whole
                                  config: its last_version; compaction: keep_versions */
    char *source_environment;  /* of a copy, where source_version is; owned; NULL: it is no copy */
    uint64_t removed;          /* delete, erase: how many live versions were removed; compaction:
                                  keep_versions of the compaction before */
    struct hash payload_hash;  /* SHA-256 of salt and payload, if the change adds a version */
    uint64_t payload_size;
    uint8_t salt[SALT_SIZE]; /* zero if the payload is not in memory */
    struct buf *payload;     /* owned reference; NULL: none, erased, compacted, or not read */
    bool compacted;          /* a compaction removed the payload */
    bool secrets_allowed;    /* the value looks like a secret, and the writer had it written */
    /* Import only: time (microseconds since 1970) and author of the version at its origin. */
    int64_t given_time_us;
    char *given_author; /* owned; NULL: not given */
};

/* Whether changes of this kind concern a key. Watches and histories show only those. */
bool change_has_config(enum change_kind kind);
/* Whether the change replaced or removed the config's head. False only if it erased a version that
 * was not the head. */
bool change_touches_head(const struct change *change);

struct commit {
    atomic_uint refs;
    uint8_t epoch[EPOCH_SIZE]; /* of the log when the commit was sealed */
    uint64_t revision;
    int64_t time_us;           /* microseconds since 1970; never less than the commit before */
    uint8_t nonce[NONCE_SIZE]; /* random: identifies the commit when an append is in doubt */
    struct hash previous_hash; /* of the commit before */
    struct hash hash;          /* of record; set by commit_seal and commit_decode */
    char *actor;               /* the authenticated principal; this and the strings below are owned;
                                  "" if unknown */
    char *credential;          /* what has proven the actor: kind, ':' and id; never a secret */
    char *method;              /* of the API that was called: "CreateConfig" */
    char *peer;                /* the client's address */
    char *created_by;          /* the author that the request named; NULL: none named */
    char *comment;
    char *request_id;        /* "": none */
    struct hash fingerprint; /* of the request, if request_id is set */
    struct buf *record;      /* owned reference */
    struct change *changes;  /* owned */
    size_t n_changes;
};

/* Returns one reference to a commit with n zeroed changes and empty strings (created_by NULL). */
struct commit *commit_new(size_t n_changes);
struct commit *commit_ref(struct commit *commit);
void commit_unref(struct commit *commit);
MEM_CLEANUP(struct commit, commit_unref)

/* Draws the nonce and the salts, hashes the payloads, encodes the record and hashes it. Revision,
 * time, previous_hash and changes must be set. The commit is immutable afterwards. Once only. */
void commit_seal(struct commit *commit, const uint8_t epoch[EPOCH_SIZE]);

/* Decodes a commit from its record; the result has no payloads and no salts, and holds a reference
 * to the record. DATA_LOSS LOG_DAMAGED: the bytes are not a valid record. */
bool commit_decode(struct buf *record, struct commit **ret_commit, struct status *st);

/* Copies a sealed commit. The copy holds payload references of its own: it keeps the payloads after
 * commit_forget_payloads on the original. */
struct commit *commit_copy(const struct commit *commit);

/* Sets payload (a reference is taken) and salt (copied) of a decoded change after checking them
 * against its payload_hash. DATA_LOSS PAYLOAD_DAMAGED: they do not match, or the change has no
 * payload. Only before the commit is shared. */
bool commit_attach_payload(struct commit *commit, size_t index, const uint8_t salt[SALT_SIZE],
                           struct buf *payload, struct status *st);

/* Whether the commit contains an erase: payloads of older commits must be scrubbed. */
bool commit_erases(const struct commit *commit);

/* Releases the payloads of a sealed commit; hashes and sizes stay. Only before it is shared. */
void commit_forget_payloads(struct commit *commit);

/* The key under which stores index a request_id: a hash of the principal and the id. */
struct hash commit_request_key(const char *actor, const char *request_id);

/* One version of a config: the change that added it, as an index into its commit. */
struct version_ref {
    struct commit *commit; /* owned reference; NULL: none */
    size_t index;
};
static inline const struct change *version_change(const struct version_ref *v)
{
    return &v->commit->changes[v->index];
}
/* The version's time and author (borrowed; NULL: none): for an import those of its origin, else
 * those of the commit. */
int64_t version_time_us(const struct version_ref *v);
const char *version_author(const struct version_ref *v);

#endif
