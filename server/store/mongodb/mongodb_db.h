/* The database of a MongoDB store: connections, reads and writes with the concerns that the
 * contract asks for, and what the server's errors mean for a caller. Any thread.
 *
 * Everything is read from the primary, at majority concern or stricter, and written at majority
 * concern: what was read or acknowledged stays. The driver's own repeating of writes is switched
 * off: an append in doubt is repeated by whoever sent it.
 *
 * Every wait, for a client of the pool, for a server, or on a connection, ends after the time-outs
 * of the address, at the thread's deadline (store_set_deadline), or when the store is interrupted.
 */
#ifndef STORE_MONGODB_DB_H
#define STORE_MONGODB_DB_H

#include <mongoc/mongoc.h>
#include <pthread.h>

#include "store.h"
#include "wake.h"

enum mongo_collection { MONGO_META, MONGO_COMMITS, MONGO_HEADS, MONGO_MARKS };

/* How a server finds commits by revision (mongodb_plan.h). */
enum mongo_plan {
    MONGO_RANGES, /* ranges and single keys by the index of _id, as MongoDB does */
    MONGO_KEYS,   /* single keys by the index; for a range it reads all commits */
    MONGO_SCANS,  /* it reads all commits for each find */
};

struct mongo_store {
    struct store store;
    mongoc_uri_t *uri;
    mongoc_client_pool_t *pool;
    char *database;
    struct mongo_changes *changes;  /* owned; NULL: nobody listens */
    struct mongo_guard *guard;      /* owned; NULL until it is opened */
    atomic_bool unproved;           /* the last append is in doubt: before a read may settle it, the
                                       identity has to be looked up (mongodb_guard.h) */
    atomic_uint_fast64_t appending; /* the last revision of an append under way; 0: there is none */
    enum mongo_plan plan;           /* set once, when it is opened */
    size_t part_heads;    /* limit of one find for heads; 0: none, as each reads all of them */
    size_t connections;   /* of the pool, at most */
    uint64_t heads_mark;  /* the mark HEADS as this node has set it last; upkeep's */
    atomic_bool searched; /* MONGO_KEYS: the log's end was searched among all commits once; later
                             searches start where it was seen last */
    int64_t patience_ns;  /* time-out for finding a primary */
    bool own_streams;     /* see mongodb_stream.h */
    struct wake stop;     /* stopping: the store is interrupted */
    pthread_mutex_t lock;
    pthread_cond_t given; /* a client was returned, or the store is interrupted */
    struct mongo_time {   /* of the newest operation that was seen to be done, on the set's clock */
        uint32_t seconds, increment;
    } time;
};

static inline struct mongo_store *mongo_of(struct store *store)
{
    return CONTAINER_OF(store, struct mongo_store, store);
}

MEM_CLEANUP(bson_t, bson_destroy)

/* For BCON: the read concerns, to stand among a find's options. A primary without a majority does
 * not answer a linearizable find, so it has a limit of its own; a server that scans all commits for
 * it needs seconds. */
#define MONGO_MAJORITY "readConcern", "{", "level", BCON_UTF8("majority"), "}"
#define MONGO_LINEARIZABLE                                                                         \
    "readConcern", "{", "level", BCON_UTF8("linearizable"), "}", "maxTimeMS", BCON_INT32(15000)

/* How long a write waits for the majority; then its outcome is not known. */
#define MONGO_WRITE_PATIENCE_MS 8000
/* The driver's own wait for a server, repeated until the deadline, as it cannot be interrupted. */
#define MONGO_SLICE_MS 100

/* Clamps to the largest integer of BSON. */
static inline int64_t mongo_storable(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

const char *mongo_name(enum mongo_collection collection);

/* ---- Errors ---- */

/* The effect of a failed write. */
enum mongo_effect {
    MONGO_NOTHING,   /* nothing of it was done */
    MONGO_DUPLICATE, /* the key is there already */
    MONGO_UNKNOWN,   /* it may have been done, or may be done yet */
};

/* Converts the error of a write to a status for the caller, and returns the write's effect. */
enum mongo_effect mongo_explain(const bson_error_t *error, const char *doing, struct status *st);
/* The same for a read. Returns false. */
bool mongo_fault(const bson_error_t *error, const char *doing, struct status *st);
/* Gets the first write error, or write concern error, of a reply. False: it has none. ret_index:
 * the statement that failed; SIZE_MAX: it was a write concern error. */
bool mongo_write_error(const bson_t *reply, bson_error_t *ret_error, size_t *ret_index);

/* ---- Clients ---- */

/* A client that has found a primary; NULL with an error of domain SERVER_SELECTION if there is none
 * in time. A thread that already has one, such as during a walk, gets the same one again. So no
 * thread waits for a second client, and a pool of one client cannot deadlock. */
mongoc_client_t *mongo_take_client(struct mongo_store *s, bson_error_t *error);
void mongo_give_client(struct mongo_store *s, mongoc_client_t *client);

/* Runs a command on the primary. The caller destroys *ret_reply, after a failure, too. */
bool mongo_run(struct mongo_store *s, const char *database, const bson_t *command,
               bson_t *ret_reply, bson_error_t *ret_error);

/* ---- Sessions ----
 *
 * A read at majority waits on the server until it shows everything that this node has read or
 * written before, also where the primary has changed meanwhile (afterClusterTime). */

/* Adds a session to an operation's options, whose read concern decides its kind. NULL, and nothing
 * added: the server has no sessions. */
mongoc_client_session_t *mongo_begin_session(struct mongo_store *s, mongoc_client_t *client,
                                             bson_t *options);
/* Notes the time of the operation. NULL is ignored. */
void mongo_end_session(struct mongo_store *s, mongoc_client_session_t *session);

/* ---- Reading ---- */

struct mongo_walk {
    struct mongo_store *store;
    mongoc_client_t *client;          /* NULL: there was none; error says why */
    mongoc_client_session_t *session; /* NULL: none */
    mongoc_collection_t *collection;
    mongoc_cursor_t *cursor;
    bson_error_t error;
};

/* Limits a find to n documents, which come in one reply if they fit. */
void mongo_limit(bson_t *options, uint64_t n);
/* Begins a find; both filter and options (with a read concern) are copied. */
void mongo_find(struct mongo_store *s, enum mongo_collection collection, const bson_t *filter,
                const bson_t *options, struct mongo_walk *ret_walk);
/* The next document, borrowed until the following call. False: the end, or an error. */
bool mongo_next(struct mongo_walk *walk, const bson_t **ret_document);
/* Ends the walk. False with st: an error ended it before. */
bool mongo_end(struct mongo_walk *walk, const char *doing, struct status *st);

/* A number of a document; 0: it is missing. */
uint64_t mongo_number(const bson_t *document, const char *name);
/* The n bytes of a binary member, which are the document's; NULL: there are not so many. */
const uint8_t *mongo_bytes(const bson_t *document, const char *name, size_t n);
/* Finds one number of the first matching document; 0: there is none. */
bool mongo_find_number(struct mongo_store *s, enum mongo_collection collection,
                       const bson_t *filter, const bson_t *options, const char *name,
                       uint64_t *ret_number, struct status *st);

/* ---- Writing ---- */

/* Sends updates (a BSON array) as one unordered command, at majority. An upsert that fails because
 * another client has just created the document is no failure. ret_made: how many documents were
 * created. */
bool mongo_update_each(struct mongo_store *s, enum mongo_collection collection, const bson_t *list,
                       uint64_t *ret_made, struct status *st);

/* Updates that are gathered and sent in order, as few commands. */
struct mongo_updates {
    struct mongo_store *store;
    enum mongo_collection collection;
    bson_t list; /* an array */
    uint32_t n;
    uint64_t modified; /* existing documents that were changed by the updates sent so far */
};

void mongo_updates_init(struct mongo_updates *updates, struct mongo_store *s,
                        enum mongo_collection collection);
void mongo_updates_fini(struct mongo_updates *updates);
/* Adds an update; sends the gathered ones when they fill a command. */
bool mongo_updates_add(struct mongo_updates *updates, const bson_t *query, const bson_t *change,
                       bool upsert, struct status *st);
/* Sends the rest; all are durable afterwards. The updates must be idempotent: if another client
 * creates the same document at the same time, they are sent twice. */
bool mongo_updates_send(struct mongo_updates *updates, struct status *st);

#endif
