/* The data of a mirror and the state machine that follows a watch. Does no I/O: mirror.c passes it
 * the responses of one stream after the other. For mirror*.c only.
 *
 * Invariants
 * 1. table and view change together, under the writer's lock, by whole commits.
 * 2. position is that of the last commit in the table: a stream may resume behind it.
 * 3. A snapshot replaces the table when it is complete, and not before.
 * 4. Only the watch's side changes table and view: it reads them without the lock.
 * 5. What other threads add is in a table of its own, `noted`. It is accessed under the lock only,
 *    and is not part of the comparison of an old copy with a new one.
 *
 * Threads: mirror_copy_begin, mirror_copy_take, mirror_copy_target, mirror_copy_silent and
 * mirror_copy_end are for the watch's side, never concurrently; the rest is for any thread. */
#ifndef CLIENT_MIRROR_COPY_H
#define CLIENT_MIRROR_COPY_H

#include <pthread.h>

#include "confreg/v1/registry_service.pb-c.h"
#include "mirror_table.h"
#include "status.h"

struct mirror_copy {
    struct mirror_options options; /* without its selectors */

    pthread_rwlock_t lock; /* guards the next five members */
    struct mirror_table table;
    uint64_t snapshot_revision; /* of the snapshot that the table was loaded from */
    struct mirror_view view;    /* age_ms and n_configs are filled on looking */
    int64_t stale_since_ns;
    struct mirror_table noted; /* tombstones from before the snapshot; `table` has precedence */

    /* The watch's side. */
    Confreg__V1__Position position;
    char epoch[MIRROR_EPOCH_SIZE]; /* of position */
    bool wants_snapshot;
    struct mirror_table snapshot;            /* as far as it has come */
    Confreg__V1__WatchResponse **unfinished; /* of a commit that says `more` */
    size_t n_unfinished;
    uint64_t delivered; /* the newest event or snapshot of this stream */
    uint64_t target;    /* in step from this revision on; UINT64_MAX: not known */
};

/* How it stands; under the lock, or on the watch's side. */
void mirror_copy_view(const struct mirror_copy *copy, struct mirror_view *ret_view);
/* The config or its tombstone, borrowed; NULL: none is known. Under the lock. */
struct mirror_config *mirror_copy_find(const struct mirror_copy *copy, const char *environment,
                                       const char *service_name);
/* As mirror_note_absent. */
void mirror_copy_note_absent(struct mirror_copy *copy, const struct mirror_absence *absence);

void mirror_copy_init(struct mirror_copy *copy, const struct mirror_options *options);
void mirror_copy_fini(struct mirror_copy *copy);

/* A stream is going to be opened: sets where the request starts. The request borrows from copy. */
void mirror_copy_begin(struct mirror_copy *copy, Confreg__V1__WatchRequest *request);
/* Takes the stream's next response over. False where the stream makes no sense and is to be
 * cancelled: DATA_LOSS where something was missed; the next stream takes a snapshot then. */
bool mirror_copy_take(struct mirror_copy *copy, Confreg__V1__WatchResponse *response,
                      struct status *st);
/* How far the server was after the stream resumed: from there on the copy is in step. */
void mirror_copy_target(struct mirror_copy *copy, uint64_t revision);
/* The stream has been silent since since_ns, for so long that the copy may be behind: makes it
 * stale. The next response that completes a commit brings it back in step. */
void mirror_copy_silent(struct mirror_copy *copy, int64_t since_ns);
/* The stream is over. st: why; NULL where regularly. */
void mirror_copy_end(struct mirror_copy *copy, const struct status *st);
/* Whether a resumed stream still waits for mirror_copy_target. */
bool copy_wants_target(const struct mirror_copy *copy);
bool copy_is_in_step(const struct mirror_copy *copy);

#endif
