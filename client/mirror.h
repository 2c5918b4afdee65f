/* A mirror: a copy of the heads of selected configs, kept in step by a watch.
 *
 * What it promises
 * - Reading never asks anybody and never waits for the network: a look-up under a reader's lock
 *   that is held for the look-up alone.
 * - The copy is always that of one revision: a commit's changes appear together, in order, and a
 *   reader gets the revision that its answer is as of along with it.
 * - Configs are ordered by mod_revision within an epoch, never by version, which falls when a
 *   version is deleted.
 * - A connection that was lost is made again, with waits that grow and are drawn at random (full
 *   jitter), and the watch goes on exactly behind what has been seen. Where the server no longer
 *   has that position (compacted, or another log after a restore) the mirror takes a new snapshot;
 *   until that is complete it goes on showing the old copy, then changes over at once and tells
 *   what is gone as deleted ("synthetic" changes).
 * - A server that hangs is noticed: the watch is asked for a mark every 0.5 s, and a mirror that
 * has heard nothing for 1.5 s is not in step. After 5 s the watch is opened again; the time doubles
 * with each such attempt until the mirror is in step.
 * - A config that was deleted while the mirror watched stays known with its mod_revision (a
 *   tombstone); one deleted before the snapshot is simply not there.
 *
 * Threads. Reading is for any thread. `changed` and `free_attachment` are called from threads of
 * the mirror's and must not block, nor call back into the mirror but to read it.
 *
 * Ownership. Configs are immutable and counted. What a reader is given is its own reference, which
 * may outlive the mirror. */
#ifndef CLIENT_MIRROR_H
#define CLIENT_MIRROR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

struct registry_client;
struct mirror;

#define MIRROR_EPOCH_SIZE 17 /* 16 digits and a NUL */

/* A config's head, or its tombstone. Texts are NUL-terminated and live as long as the reference. */
struct mirror_config {
    const char *environment;
    const char *service_name;
    uint64_t version; /* 0: a tombstone */
    uint64_t mod_revision;
    uint64_t revision; /* of the commit that brought this version, like all below */
    uint64_t source_version;
    int kind; /* Confreg__V1__ChangeKind */
    int64_t create_time_us;
    const char *created_by; /* NULL where nobody said so */
    const char *comment;
    const char *data; /* JSON; NULL where the payload is gone: erased since, or a tombstone */
    size_t n_data;
    char epoch[MIRROR_EPOCH_SIZE];

    /* What a user attaches (mirror_attach); read with mirror_attachment. */
    _Atomic(void *) attachment;
    void (*free_attachment)(void *attachment);
    atomic_uint refs;
    uint64_t hash; /* of the name */
};

struct mirror_config *mirror_config_ref(struct mirror_config *config);
/* NULL is ignored. */
void mirror_config_unref(struct mirror_config *config);
MEM_CLEANUP(struct mirror_config, mirror_config_unref)

/* Something that is made of the config once and goes with it, such as a rendered answer. Attaching
 * moves it to the config; where another thread was first, the new one is freed. Returns the one
 * that is attached, which stays as long as the reference to the config. */
void *mirror_attach(struct mirror_config *config, void *attachment);
/* NULL where nothing is attached. */
void *mirror_attachment(const struct mirror_config *config);

enum mirror_state {
    MIRROR_LOADING, /* no copy yet */
    MIRROR_IN_STEP, /* the watch is open and brought a response within 1.5 s */
    MIRROR_STALE,   /* has a copy, but no such watch, or the watch has not caught up yet */
};

/* How a mirror stood when it was read. */
struct mirror_view {
    enum mirror_state state;
    char epoch[MIRROR_EPOCH_SIZE]; /* "" while loading */
    uint64_t revision;             /* all up to it is in the copy */
    int64_t age_ms;                /* since it was in step; 0 while it is */
    size_t n_configs;              /* live ones */
    uint64_t resets;               /* snapshots that replaced a copy */
};

/* One change of one config. All is borrowed until `changed` returns; references may be taken. */
struct mirror_change {
    uint64_t revision;
    bool ends_commit; /* no further change of this revision comes */
    bool synthetic;   /* found by comparing copies: what happened in between is not known */
    int kind;         /* Confreg__V1__ChangeKind */
    const char *environment;
    const char *service_name;
    uint64_t version;       /* that came; of a delete, that was asked for, 0 for the whole config */
    uint64_t head_version;  /* after the change; 0 where the config is gone */
    int64_t time_us;        /* of the commit; 0 where synthetic */
    const char *created_by; /* NULL where nobody said so */
    const char *comment;
    struct mirror_config *before; /* NULL where nothing was known */
    struct mirror_config *after;  /* NULL where the head was left alone */
};

/* What must match, as of a watch: all members that are not NULL. */
struct mirror_selector {
    const char *environment, *service_name, *service_name_prefix;
};

struct mirror_options {
    const struct mirror_selector *selectors; /* copied; none: everything */
    size_t n_selectors;
    /* The copy has moved to how view says: by these changes, or without any (n 0) when the state is
     * another, the first copy is there, or a revision passed that selects nothing. In order, never
     * concurrently, after readers can see it. May be NULL. */
    void (*changed)(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                    size_t n);
    void (*free_attachment)(void *attachment); /* where mirror_attach is used */
    void *user;
};

/* Starts to follow. client is borrowed and must outlive the mirror. Never fails: a server that is
 * away is waited for. */
struct mirror *mirror_new(struct registry_client *client, const struct mirror_options *options);
/* Ends the watch; returns after the last callback. NULL is ignored. */
void mirror_free(struct mirror *mirror);

void mirror_look(struct mirror *mirror, struct mirror_view *ret_view);
/* The config or its tombstone, a reference; NULL where the mirror knows of none. */
struct mirror_config *mirror_get(struct mirror *mirror, const char *environment,
                                 const char *service_name, struct mirror_view *ret_view);
/* Two of one service, both as of the same revision. */
void mirror_get_pair(struct mirror *mirror, const char *service_name, const char *environments[2],
                     struct mirror_config *ret_configs[2], struct mirror_view *ret_view);

struct mirror_list {
    struct mirror_config **configs; /* references */
    size_t n;
};

/* The live configs that the selector matches (NULL: all), ordered by environment and service name.
 */
void mirror_list(struct mirror *mirror, const struct mirror_selector *selector,
                 struct mirror_list *ret_list, struct mirror_view *ret_view);
void mirror_list_fini(struct mirror_list *list);

/* A server's answer that a config has no head. */
struct mirror_absence {
    const char *epoch;
    uint64_t revision; /* the revision that the answer is as of */
    const char *environment, *service_name;
    uint64_t mod_revision; /* of its tombstone; 0: it never existed */
};

/* Tells the mirror of a deletion from before its snapshot. If it still holds at the mirror's
 * revision it is kept as a tombstone; their number is bounded. */
void mirror_note_absent(struct mirror *mirror, const struct mirror_absence *absence);

#endif
