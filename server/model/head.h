/* Heads: what the registry knows of a config without reading the log. Immutable and shared by
 * reference; a change makes a new one. A head is never removed: a deleted config leaves a tombstone
 * (version 0), which keeps the numbering.
 *
 * The Config message of a live head is encoded once, as field 2 of the responses that carry it (tag
 * and length included), and ends with the payload. */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "commit.h"
#include "json.h"

/* The versions between first_live_version and last_version that were deleted, ascending. */
struct holes {
    uint64_t *versions; /* owned */
    size_t n;
};

struct head {
    atomic_uint refs;
    uint64_t version;            /* the newest live version; 0: tombstone */
    uint64_t last_version;       /* the highest ever given */
    uint64_t first_live_version; /* versions below belong to a life before a delete */
    uint64_t mod_revision;       /* the last commit that touched the head's version */
    uint64_t row_revision;       /* the last commit that changed anything here, also only a hole */
    uint64_t revision; /* the commit that brought `version`, and the change's place in it */
    uint32_t index;
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
/* The size of the key without its last NUL: what tables and orders compare, as bytes. */
static inline size_t head_key_size(const struct head *h)
{
    return h->n_environment + 1 + h->n_service;
}
bool head_is_named(const struct head *h, const char *environment, const char *service);
struct json_text head_payload(const struct head *h);

/* A head with these names and nothing else; one reference. */
struct head *head_new(const char *environment, const char *service);
struct head *head_ref(struct head *h);
void head_unref(struct head *h);
MEM_CLEANUP(struct head, head_unref)

/* The memory it takes, its encoded form included. */
size_t head_bytes(const struct head *h);

/* Whether `version` can be read: given, not deleted, not of an earlier life. h may be NULL. */
bool head_has_version(const struct head *h, uint64_t version);
/* How many versions can be read. */
uint64_t head_live_versions(const struct head *h);
/* The newest live version below `version`; 0: none. */
uint64_t head_version_before(const struct head *h, uint64_t version);

/* The head after a change. before: NULL where the config is new. newest: the version that is the
 * head afterwards, with its payload; for a change that leaves the head alone or leaves a tombstone
 * it is not looked at. Pure. Returns one reference. */
struct head *head_after(const struct head *before, const struct commit *commit, size_t index,
                        const struct version_ref *newest);

/* Makes a head's encoded form from its version (at start, when heads come from the store). A
 * payload that has been erased since is told as erased; such a head only occurs while the log is
 * read. */
void head_encode(struct head *h, const struct version_ref *newest);

#endif
