/* Connections to a SQLite store, with their statements, and what its errors mean. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "sqlite_file.h"
#include "store.h"

#define READERS 8
#define BUSY_MS 10000 /* most that a connection waits for the lock of another one */

enum statement {
    /* of appender and keeper */
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    /* of the appender */
    SQL_INSERT_COMMIT,
    SQL_INSERT_CHANGE,
    /* of the keeper */
    SQL_FIND_HEAD,
    SQL_PUT_HEAD,
    SQL_FORGET_HEADS,
    SQL_PUT_MARK,
    SQL_NEXT_PAYLOAD,
    SQL_SCRUB,
    SQL_DROP,
    SQL_FREE_PAGES,
    /* of any connection */
    SQL_TAIL,
    SQL_READ_COMMITS,
    SQL_READ_PAYLOADS,
    SQL_READ_VERSIONS,
    SQL_FIND_VERSION_BEFORE,
    SQL_FIND_REMOVAL_BEFORE,
    SQL_FIND_REQUEST,
    SQL_VERSION_AT,
    SQL_VERSIONS_DOWN,
    SQL_VERSIONS_UP,
    SQL_REMOVALS_DOWN,
    SQL_REMOVALS_UP,
    SQL_LOAD_HEADS,
    SQL_GET_MARK,
    SQL_COUNT,
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    const atomic_bool *interrupted;      /* borrowed; see connection_bound */
    int64_t lock_wait_ns;                /* start of the current wait for another's lock */
};

/* One transaction writes at a time. Appends go first: see sqlite_write.h. */
struct sqlite_gate {
    pthread_mutex_t inside; /* held over a write transaction */
    pthread_cond_t left;    /* an append left */
    atomic_uint appends;    /* that wait to enter */
};

struct sqlite_store {
    struct store store;
    struct sqlite_file file;
    atomic_bool misplaced;      /* the last append found its files removed or replaced; only appends
                                   set it */
    atomic_bool interrupted;    /* by store_interrupt */
    struct sqlite_gate gate;    /* to write transactions */
    struct connection appender; /* syncs each transaction; used inside the gate */
    struct connection keeper;   /* of all other writes, does not sync; used inside the gate */

    pthread_mutex_t lock;
    pthread_cond_t reader_free;
    struct connection *readers[READERS]; /* free ones; made on demand */
    size_t n_free;
    size_t n_readers;

    pthread_t checkpointer;
    bool checkpointing; /* the thread runs */
    bool stopping;
    pthread_cond_t checkpoint_due;
    bool wants_checkpoint;
    pthread_cond_t log_emptied;
    uint64_t empty_wanted; /* requests to empty the log, counted */
    uint64_t empty_done;   /* the requests up to this one were carried out */
    uint64_t empty_failed; /* the newest request that failed */
    atomic_int log_pages;  /* of the write-ahead log, after the newest transaction */
};

static inline struct sqlite_store *sqlite_of(struct store *store)
{
    return CONTAINER_OF(store, struct sqlite_store, store);
}

/* Opens an existing file. vfs: one of sqlite_vfs.h; NULL: the system's. */
bool connection_open(struct connection *c, const char *path, const char *vfs, struct status *st);
/* From now on a statement, or a wait for another connection's lock, ends when the thread's deadline
 * has passed or *interrupted (borrowed) is set. Short statements, such as those of an append, are
 * too short to be interrupted. */
void connection_bound(struct connection *c, const atomic_bool *interrupted);
void connection_close(struct connection *c);
/* Returns the statement, reset; NULL with st: an error. */
sqlite3_stmt *connection_statement(struct connection *c, enum statement which, struct status *st);
bool connection_run(struct connection *c, const char *sql, struct status *st);

/* The first number that a statement returns; 0: none. */
bool connection_number(struct connection *c, const char *sql, int64_t *ret, struct status *st);

/* Sets st from the connection's last error. Returns false. */
bool sqlite_fault(struct connection *c, const char *doing, struct status *st);

/* Takes a reader from the pool, which makes one if needed; NULL with st: an error. */
struct connection *sqlite_take_reader(struct sqlite_store *s, struct status *st);
void sqlite_give_reader(struct sqlite_store *s, struct connection *c);

#endif
