/* The copy: the data of a mirror, and the state machine that applies the responses of a watch to
 * it. Does no I/O; mirror.c feeds it the responses of one stream after the other. Private to
 * mirror*.c.
 *
 * Invariants
 * 1. table and view change together, under the write lock, by whole commits.
 * 2. position is that of the newest commit in the table: a stream can resume after it.
 * 3. A snapshot replaces the table when it is complete, and not before.
 * 4. Only the watch side changes table and view: it reads them without the lock.
 * 5. Configs that were selected later (an addition) are loaded aside, as of a revision R that the
 *    table has not reached yet. They get into the table when it reaches R. Until then changes of
 *    them up to R are skipped.
 * 6. Tombstones that other threads add are in a separate table, `noted`. It is accessed with the
 *    lock held only, and is ignored when an old copy is compared with a new one.
 *
 * Threads: mirror_copy_begin, mirror_copy_take, mirror_copy_target, mirror_copy_silent and
 * mirror_copy_end are the watch side and must not run concurrently; all other functions are for any
 * thread. */
#ifndef CLIENT_MIRROR_COPY_H
#define CLIENT_MIRROR_COPY_H

#include <pthread.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "mirror_selection.h"
#include "mirror_table.h"
#include "status.h"

/* The purpose of a stream. */
enum mirror_stream {
    MIRROR_STREAM_WHOLE,    /* a snapshot of everything selected, then its changes */
    MIRROR_STREAM_ADDITION, /* a snapshot of what was selected later; then it has served */
    MIRROR_STREAM_CHANGES,  /* changes after the position */
};

struct mirror_copy {
    struct mirror_options options; /* selectors is NULL */

    pthread_rwlock_t lock; /* protects the next five members */
    struct mirror_table table;
    uint64_t snapshot_revision; /* of the snapshot that the table was loaded from */
    struct mirror_view view;    /* without age_ms and n_configs, which mirror_copy_view computes */
    int64_t stale_since_ns;     /* on clock_monotonic_ns() */
    struct mirror_table noted;  /* tombstones from before the snapshot; `table` has precedence */

    /* Only the watch side. */
    Confreg__V1__Position position;
    char epoch[MIRROR_EPOCH_SIZE]; /* of position */
    char *token;                   /* of position; owned; NULL: there is no position */
    bool wants_snapshot;
    struct mirror_table snapshot;            /* the parts received so far */
    Confreg__V1__WatchResponse **unfinished; /* responses whose last commit is incomplete */
    size_t n_unfinished;
    uint64_t delivered; /* revision of the newest event or snapshot on this stream */
    uint64_t target;    /* the copy is in step from this revision on; UINT64_MAX: not known */
    enum mirror_stream stream;
    struct mirror_selection asked;  /* the selectors of a stream with a snapshot, until that ends */
    struct mirror_selection held;   /* what the table has */
    struct mirror_selection adding; /* what it will have with the addition */
    bool heard;                     /* a response has come on this stream */
    bool filtered;                /* the caller may not read all that the table's selection names */
    bool addition_filtered;       /* the same of the addition */
    bool overflowed;              /* the stream has brought more than may be held */
    bool served;                  /* the stream of an addition has brought it */
    bool has_addition;            /* one is complete and waits for the table */
    struct mirror_table addition; /* of names that held does not select */
    uint64_t addition_revision;
    uint64_t refused; /* number of a selection that the server has refused; 0: none */
};

/* The current state. With the lock held, or on the watch side. */
void mirror_copy_view(const struct mirror_copy *copy, struct mirror_view *ret_view);
/* The config or its tombstone, borrowed; NULL: the name is not known. With the lock held. */
struct mirror_config *mirror_copy_find(const struct mirror_copy *copy, const char *environment,
                                       const char *service_name);
/* See mirror_note_absent. */
void mirror_copy_note_absent(struct mirror_copy *copy, const struct mirror_absence *absence);

void mirror_copy_init(struct mirror_copy *copy, const struct mirror_options *options);
void mirror_copy_fini(struct mirror_copy *copy);

/* Before a stream is opened: sets start and selectors of its request, which borrows from copy. */
void mirror_copy_begin(struct mirror_copy *copy, const struct mirror_selection *wanted,
                       Confreg__V1__WatchRequest *request);
/* Applies the next response of the stream and takes ownership of it. On an error the caller must
 * end the stream with it, and the next one starts with a snapshot: DATA_LOSS MESSAGE_MISSED, a
 * response is missing; FAILED_PRECONDITION RIGHTS_CHANGED, the caller may read more or less than
 * what the copy was made of. */
bool mirror_copy_take(struct mirror_copy *copy, Confreg__V1__WatchResponse *response,
                      struct status *st);
/* Whether parts of a snapshot or of a commit are held that have not come to their end. */
bool mirror_copy_holds_parts(const struct mirror_copy *copy);
/* These are too large to be held: the caller must end the stream. The next one starts with a
 * snapshot, or goes on without a selection that was to be added. */
void mirror_copy_overflow(struct mirror_copy *copy);
/* Sets the server's revision after the stream was resumed: when the copy has reached it, it is in
 * step. */
void mirror_copy_target(struct mirror_copy *copy, uint64_t revision);
/* The stream has been silent since since_ns, so long that the copy may be behind: makes it stale.
 * The next response that completes a commit makes it in step again. */
void mirror_copy_silent(struct mirror_copy *copy, int64_t since_ns);
/* The stream has ended. st: the reason; NULL: with OK. planned: it was ended on purpose, to open
 * another one. Returns whether the copy stays in step if the next stream is opened at once. */
bool mirror_copy_end(struct mirror_copy *copy, const struct status *st, bool planned);
/* Whether the stream has served its purpose, and is to be ended. */
bool mirror_copy_has_served(const struct mirror_copy *copy);
/* Whether the copy has all that its stream was to bring before changes, so that another selection
 * can be taken. */
bool mirror_copy_is_settled(const struct mirror_copy *copy);
/* The number of the selection that the stream is to load; 0: none. */
uint64_t mirror_copy_loading(const struct mirror_copy *copy);
/* Whether a stream is needed for this selection, which is not the present one. */
bool mirror_copy_lacks(const struct mirror_copy *copy, const struct mirror_selection *wanted);
/* Whether a resumed stream still waits for mirror_copy_target. */
bool mirror_copy_wants_target(const struct mirror_copy *copy);
bool mirror_copy_is_in_step(const struct mirror_copy *copy);

#endif
