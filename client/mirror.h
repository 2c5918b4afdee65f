/* A mirror: a copy of the heads of selected configs in memory, which a watch keeps up to date.
 *
 * Guarantees
 * - A read never uses the network: it is a look-up under a read lock.
 * - The copy is always as of one revision. The changes of a commit become visible together and in
 *   order. Every read returns the revision that its result is as of.
 * - Configs are ordered by mod_revision within an epoch, never by version: the version decreases
 *   when the newest version is deleted.
 * - The mirror reconnects by itself, with random, growing pauses (full jitter), and resumes exactly
 *   after its position. If the server no longer has that position (compacted, or another epoch
 * after a restore), the mirror loads a new snapshot. Reads see the old copy until the snapshot is
 *   complete; then it replaces the copy at once, and the differences are reported as "synthetic"
 *   changes.
 * - A server that hangs is detected: the watch asks for a progress mark every 0.5 s. After 1.5 s
 *   without a response the mirror is stale. After 5 s the watch is opened again; this time doubles
 *   with each such attempt until the mirror is in step.
 * - Of a snapshot or a commit that has not come to its end the mirror holds the client's
 *   max_watch_bytes at most; beyond that the stream is ended, and another one begins after a pause.
 * - Its selection can be changed while it runs (mirror_select). What was selected before goes on
 *   without a gap; what is new appears at once, as of the revision of the copy.
 * - A config that was deleted while the mirror watched remains as a tombstone with its
 *   mod_revision. A config that was deleted before the snapshot is not known.
 *
 * Threads: any thread may read. `changed` and `free_attachment` are called on threads of the
 * mirror. They must not block, and must not call the mirror except to read it.
 *
 * Ownership: configs are immutable and reference-counted. A reader gets its own reference, which
 * may outlive the mirror. */
#ifndef CLIENT_MIRROR_H
#define CLIENT_MIRROR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

struct registry_client;
struct status;
struct mirror;

#define MIRROR_EPOCH_SIZE 17 /* 16 digits and a NUL */

/* A config's head, or its tombstone. Texts are NUL-terminated and live as long as the reference. */
struct mirror_config {
    const char *environment;
    const char *service_name;
    uint64_t version;        /* 0: a tombstone */
    uint64_t mod_revision;   /* the last commit that changed the head */
    uint64_t revision;       /* the commit that added this version; the next five belong to it */
    uint64_t source_version; /* of a rollback or an undelete */
    int kind;                /* Confreg__V1__ChangeKind */
    int64_t create_time_us;  /* microseconds since 1970 */
    const char *created_by;  /* NULL: not given */
    const char *comment;
    const char *data; /* JSON; NULL: the payload was removed, or this is a tombstone */
    size_t n_data;
    char epoch[MIRROR_EPOCH_SIZE];

    /* Set by mirror_attach, read with mirror_attachment. */
    _Atomic(void *) attachment;
    void (*free_attachment)(void *attachment);
    atomic_uint refs;
};

struct mirror_config *mirror_config_ref(struct mirror_config *config);
/* NULL is ignored. */
void mirror_config_unref(struct mirror_config *config);
MEM_CLEANUP(struct mirror_config, mirror_config_unref)

/* Attaches an object that is derived from the config, such as a rendered response, and freed with
 * it. Ownership moves to the config. If another thread has attached one before, the new one is
 * freed. Returns the attached object, which lives as long as the reference to the config. */
void *mirror_attach(struct mirror_config *config, void *attachment);
/* The attached object; NULL: none. */
void *mirror_attachment(const struct mirror_config *config);

enum mirror_state {
    MIRROR_LOADING, /* there is no copy yet */
    MIRROR_IN_STEP, /* the watch is open and a response arrived in the last 1.5 s */
    MIRROR_STALE,   /* there is a copy, but the watch is closed, silent or still behind */
};

/* The state of a mirror at the time of a read. */
struct mirror_view {
    enum mirror_state state;
    char epoch[MIRROR_EPOCH_SIZE]; /* "" while loading */
    uint64_t revision;             /* the copy is as of this revision */
    int64_t age_ms;                /* since the mirror was last in step; 0 while it is */
    size_t n_configs;              /* live configs */
    uint64_t resets;               /* how many snapshots have replaced a copy */
    uint64_t selection;            /* the newest one that the copy has; see mirror_select */
};

/* One change of one config. All members are borrowed until `changed` returns; the callback may take
 * references to configs. */
struct mirror_change {
    uint64_t revision;
    bool ends_commit; /* this is the last change of the revision */
    bool synthetic;   /* found by comparing two copies: the steps between them are not known */
    int kind;         /* Confreg__V1__ChangeKind */
    const char *environment;
    const char *service_name;
    uint64_t version;       /* the version added; delete: the version requested, 0: the config */
    uint64_t head_version;  /* after the change; 0: the config is deleted */
    int64_t time_us;        /* of the commit, microseconds since 1970; 0 if synthetic */
    const char *created_by; /* NULL: not given */
    const char *comment;
    struct mirror_config *before; /* NULL: the config was not known */
    struct mirror_config *after;  /* NULL: the change did not touch the head */
};

/* Selects configs as a watch does: all members that are not NULL must match. Borrowed. */
struct mirror_selector {
    const char *environment, *service_name, *service_name_prefix;
};

struct mirror_options {
    const struct mirror_selector *selectors; /* copied; none: all configs */
    size_t n_selectors;
    /* Called after every change of the mirror, when readers can see it; in order, never
     * concurrently. n is 0 if only the state changed, the first copy was loaded, or the revision
     * advanced without a selected change. May be NULL. */
    void (*changed)(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                    size_t n);
    void (*free_attachment)(void *attachment); /* required if mirror_attach is used */
    /* Called when a watch has ended with an error; selection: what it was to add to the copy, 0:
     * nothing. The mirror goes on: with what it has if that is INVALID_ARGUMENT or
     * PERMISSION_DENIED, until the connection is lost; else it tries again. May be NULL. */
    void (*failed)(void *user, const struct status *st, uint64_t selection);
    void *user;
};

/* Starts the mirror. client is borrowed and must outlive it. Does not fail: the mirror waits for a
 * server that is away. */
struct mirror *mirror_new(struct registry_client *client, const struct mirror_options *options);
/* Ends the watch; returns after the last callback. NULL is ignored. */
void mirror_free(struct mirror *mirror);

/* Selects other configs, of a mirror that was started with selectors; at least one. Returns the
 * number of this selection: 1 was that of mirror_new, and each one is larger than the one before.
 * When the view has reached it, the copy has what it selects. Configs that were selected before and
 * are not any more may stay for a while. Nothing is told of configs that are only selected or not
 * any more. Any thread, also in a callback; does not wait. */
uint64_t mirror_select(struct mirror *mirror, const struct mirror_selector *selectors, size_t n);

/* Asks the server to say how far the watch has come, so that the view's revision soon is that of
 * the registry now. Does nothing while the watch is closed. Any thread; does not wait. */
void mirror_ask_progress(struct mirror *mirror);

/* The current state. */
void mirror_look(struct mirror *mirror, struct mirror_view *ret_view);
/* Returns a reference to the config or its tombstone; NULL: the name is not known. */
struct mirror_config *mirror_get(struct mirror *mirror, const char *environment,
                                 const char *service_name, struct mirror_view *ret_view);
/* Gets the configs of one service in several environments, all as of the same revision. */
void mirror_get_several(struct mirror *mirror, const char *service_name,
                        const char *const *environments, size_t n,
                        struct mirror_config **ret_configs, struct mirror_view *ret_view);

struct mirror_list {
    struct mirror_config **configs; /* owned references */
    size_t n;
};

/* Lists the live configs that the selector matches (NULL: all), ordered by environment and service
 * name. Only those of a service are looked at if the selector names one, else all. False: these are
 * more than max; the list is empty. Free the list with mirror_list_fini. */
bool mirror_list(struct mirror *mirror, const struct mirror_selector *selector, size_t max,
                 struct mirror_list *ret_list, struct mirror_view *ret_view);
void mirror_list_fini(struct mirror_list *list);

/* A server's answer that a config has no head. */
struct mirror_absence {
    const char *epoch;
    uint64_t revision; /* the revision that the answer is as of */
    const char *environment, *service_name;
    uint64_t mod_revision; /* of its tombstone; 0: it never existed */
};

/* Tells the mirror that a server reported a config absent. If the config is also absent at the
 * mirror's revision, the mirror keeps a tombstone for it. The number of these is bounded. */
void mirror_note_absent(struct mirror *mirror, const struct mirror_absence *absence);

#endif
