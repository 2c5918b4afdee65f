/* Heads: the current state of each config, kept in memory. A read of the newest version needs
 * nothing else.
 *
 * A head is immutable; a change makes a new one (head_after). A deleted config keeps a head, the
 * tombstone (version 0): version numbers are never given twice, and an undelete brings the history
 * back.
 *
 * A life of a config is from a create to the delete after it. The history of a live config is that
 * of its present life; an undelete continues the life that ended, with all of its versions.
 *
 * The Config message of a live head is encoded once, as field 2 of a response (tag and length
 * included), with the payload as its last bytes. The payload is not kept a second time.
 *
 * Schemas have heads like configs (key.h).
 *
 * Threads: references are counted atomically; any thread may hold and read a head. */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "commit.h"
#include "json.h"
#include "key.h"

/* The version numbers between first_kept_version and last_version that were erased or never given
 * (imports skip numbers), ascending. */
struct holes {
    uint64_t *versions; /* owned */
    size_t n;
};

/* The findings of the registry in the value of the head; a bit each. */
enum verdict {
    VERDICT_JUDGED = 1,  /* without it, nothing is known */
    VERDICT_SUSPECT = 2, /* it looks like a secret, and nobody allowed it */
    VERDICT_BROKEN = 4,  /* it breaks the schema in force */
};

struct head {
    atomic_uint refs;
    bool secrets_allowed; /* as in the change that made the version */
    atomic_uint verdict;  /* this and the next change after the head was made: when it … */
    atomic_uint_fast64_t judged_at; /* … is judged, by the schemas as of this revision */
    uint64_t version;               /* the newest live version; 0: tombstone */
    uint64_t last_version;          /* the highest number ever given */
    uint64_t first_live_version;    /* where the life began: the present one; tombstone: the last */
    uint64_t first_kept_version;    /* lower versions were erased with the config, or never given */
    uint64_t mod_revision;          /* the last commit that replaced or removed the head */
    uint64_t row_revision;          /* the last commit that changed any member, even only a hole */
    uint64_t revision;              /* the commit that added `version` */
    uint32_t index;                 /* the change in that commit */
    struct holes holes;
    struct buf *encoded; /* owned; NULL: tombstone */
    size_t payload_size; /* the payload is the last bytes of encoded */
    size_t n_environment;
    size_t n_service;
    char key[]; /* environment, NUL, service, NUL */
};

static inline const char *head_environment(const struct head *h)
{
    return h->key;
}
static inline const char *head_service(const struct head *h)
{
    return h->key + h->n_environment + 1;
}
/* The size of the key without its last NUL, in bytes. Tables and orders compare keys as bytes. */
static inline size_t head_key_size(const struct head *h)
{
    return h->n_environment + 1 + h->n_service;
}
bool head_is_named(const struct head *h, const char *environment, const char *service);
/* The payload of a live head; borrowed. */
struct json_text head_payload(const struct head *h);

/* Returns one reference to a tombstone with these names (copied) and no versions. */
struct head *head_new(const char *environment, const char *service);
struct head *head_ref(struct head *h);
void head_unref(struct head *h);
MEM_CLEANUP(struct head, head_unref)

/* The memory that the head uses, in bytes, its encoded form included. */
size_t head_bytes(const struct head *h);

/* Whether `version` is live: given, not erased, and not from before a delete. h may be NULL. */
bool head_has_version(const struct head *h, uint64_t version);
/* Whether `version` was given and not erased, in any life of the config. Its payload may have been
 * compacted. h may be NULL. */
bool head_keeps_version(const struct head *h, uint64_t version);
/* Of a tombstone: the newest version of the life that ended, erased ones left out; 0: all were. */
uint64_t head_last_kept_version(const struct head *h);
/* The number of live versions. h may be NULL. */
uint64_t head_live_versions(const struct head *h);
/* The number of versions that were given and not erased, in all lives. h may be NULL. */
uint64_t head_kept_versions(const struct head *h);
/* The newest live version below `version`; 0: none. */
uint64_t head_version_before(const struct head *h, uint64_t version);
/* The newest version below `version` that was not erased, in any life; 0: none. */
uint64_t head_kept_version_before(const struct head *h, uint64_t version);

/* Returns one reference to the head after change `index` of the commit. before: NULL if the config
 * is new. newest: the version that is the head afterwards, with its payload; ignored if the change
 * leaves the head as it is or leaves a tombstone. Pure. */
struct head *head_after(const struct head *before, const struct commit *commit, size_t index,
                        const struct version_ref *newest);

/* Sets version, revision, index and the encoded form of a head that is not shared yet; used when
 * heads are loaded from the store. A payload that is missing is encoded as erased or compacted;
 * such a head exists only until the rest of the log has been read. */
void head_encode(struct head *h, const struct version_ref *newest);

#endif
