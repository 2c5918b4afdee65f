/* The values of a provider. Readings of the config come from the client's copy, from the registry
 * itself and from the last-known-good file; each is parsed, its references are replaced, and it is
 * published for getters.
 *
 * A reading is as of a revision of a log. The caller does not take one that the values are ahead
 * of.
 *
 * Threads: `snapshots` may be read on any thread; all functions run on one thread at a time. */
#ifndef LIB_PROVIDER_VALUES_H
#define LIB_PROVIDER_VALUES_H

#include "published.h"
#include "snapshot.h"
#include "status.h"

/* The config as it was read. Borrowed. */
struct reading {
    const char *data; /* NULL: there is no config */
    size_t n_data;
    uint64_t version, mod_revision;
    uint64_t revision; /* it was read as of this revision */
    const char *epoch; /* of the log; "": nothing was read */
};

struct provider_values_options {
    const char *env_prefix; /* NULL: variables do not count */
    bool references;
    /* A key is left out, or a config cannot be used. */
    void (*problem)(void *user, const char *event, const struct status *st);
    void *user;
};

struct provider_values {
    struct published snapshots;
    /* Private to provider_values.c. */
    struct provider_values_options options;
    struct settings *variables; /* of the environment; NULL: they do not count */
    struct settings *referable; /* the whole environment; NULL: references are not replaced */
    struct buf *text;           /* owned; of the reading, before references were replaced */
    uint64_t version, mod_revision;
    char epoch[sizeof((struct confreg_snapshot *)NULL)->epoch];
    uint64_t revision;
    bool reads_files; /* a reference names a file */
    bool keeps;       /* a file that was replaced cannot be used; this was told */
};

/* The values are those of an empty config at first. */
void provider_values_init(struct provider_values *values,
                          const struct provider_values_options *options);
/* No thread may read any more. */
void provider_values_fini(struct provider_values *values);

/* Whether the values are as of a later revision of the same log. */
bool provider_values_are_ahead(const struct provider_values *values, const char *epoch,
                               uint64_t revision);
/* Whether the values are of another log. */
bool provider_values_are_of_another(const struct provider_values *values, const char *epoch);
/* Publishes a reading. False: it is no config, which was told; the values stay, as if it had not
 * changed. */
bool provider_values_take(struct provider_values *values, const struct reading *reading);
/* The values are also those of a later revision of their log. */
void provider_values_advance(struct provider_values *values, uint64_t revision);

/* Whether files are referred to, so that the values can change without the config. */
static inline bool provider_values_read_files(const struct provider_values *values)
{
    return values->reads_files;
}
/* Reads the files again, and publishes the same reading if they have changed. Where one cannot be
 * used any more the values stay, which is told once. Waits for the disk. */
void provider_values_read_again(struct provider_values *values);

#endif
