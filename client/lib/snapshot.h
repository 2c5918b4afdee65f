/* The values of a provider as of one version. Immutable and reference-counted; any thread. */
#ifndef LIB_SNAPSHOT_H
#define LIB_SNAPSHOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "confreg.h"
#include "settings.h"

struct confreg_snapshot {
    atomic_uint refs;
    struct settings *settings; /* owned; {} where there is no config */
    /* Owned; variables by their name without the prefix; NULL: none. */
    struct settings *environment;
    uint64_t version;
    uint64_t revision;
    char epoch[20];
};

/* Takes over a reference to settings, and adds one to environment, which may be NULL. */
struct confreg_snapshot *snapshot_new(struct settings *settings, struct settings *environment);
/* The variables whose names begin with the prefix. */
struct settings *snapshot_read_environment(const char *prefix);

/* The same as the public function, for a snapshot that is only looked at. */
const struct setting *snapshot_find(const struct confreg_snapshot *snapshot, const char *path);
/* The text of a string, or the fallback (NULL: ""), with its length. */
const char *snapshot_string(const struct confreg_snapshot *snapshot, const char *path,
                            const char *fallback, size_t *ret_len);

static inline void snapshot_unref(struct confreg_snapshot *snapshot)
{
    confreg_snapshot_unref(snapshot);
}
MEM_CLEANUP(struct confreg_snapshot, snapshot_unref)

#endif
