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
    atomic_uint_fast64_t appending; /* the last revision of an append under way; 0: there is none */
    enum mongo_plan plan;           /* set once, when it is opened */
    size_t connections;             /* of the pool, at most */
    uint64_t heads_mark;            /* the mark HEADS as this node has set it last; upkeep's */
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

/* For BCON: the read concerns, to stand among a find's options. */
#define MONGO_MAJORITY "readConcern", "{", "level", BCON_UTF8("majority"), "}"
#define MONGO_LINEARIZABLE                                                                         \
    "readConcern", "{", "level", BCON_UTF8("linearizable"), "}", "maxTimeMS", BCON_INT32(5000)

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

/* Fills st with what an error is for a caller, and says what it left. */
enum mongo_effect mongo_explain(const bson_error_t *error, const char *doing, struct status *st);
/* The same for a read. Returns false. */
bool mongo_fault(const bson_error_t *error, const char *doing, struct status *st);
/* The first write error or write concern error of a reply as an error; false where there is none.
 * ret_index: of the statement that failed, where it was a write error; else SIZE_MAX. */
bool mongo_write_error(const bson_t *reply, bson_error_t *ret_error, size_t *ret_index);

/* ---- Clients ---- */

/* A client that has found a primary; NULL with an error of domain SERVER_SELECTION if there is none
 * in time. A thread that already has one, such as during a walk, gets the same one again. So no
 * thread waits for a second client, and a pool of one client cannot deadlock. */
mongoc_client_t *mongo_take_client(struct mongo_store *s, bson_error_t *error);
void mongo_give_client(struct mongo_store *s, mongoc_client_t *client);

/* Runs a command on the primary. ret_reply: the caller's to destroy, also where it failed. */
bool mongo_run(struct mongo_store *s, const char *database, const bson_t *command,
               bson_t *ret_reply, bson_error_t *ret_error);

/* ---- Reading ---- */

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

struct mongo_walk {
    struct mongo_store *store;
    mongoc_client_t *client;          /* NULL: there was none; error says why */
    mongoc_client_session_t *session; /* NULL: none */
    mongoc_collection_t *collection;
    mongoc_cursor_t *cursor;
    bson_error_t error;
};

/* Adds to a find's options that it ends after n documents, in one reply where that is large enough.
 */
void mongo_limit(bson_t *options, uint64_t n);
/* Begins a find; both filter and options (with a read concern) are copied. */
void mongo_find(struct mongo_store *s, enum mongo_collection collection, const bson_t *filter,
                const bson_t *options, struct mongo_walk *ret_walk);
/* The next document, borrowed until the following call; false at the end and on errors. */
bool mongo_next(struct mongo_walk *walk, const bson_t **ret_document);
/* Ends it; false with st where an error had ended it before. */
bool mongo_end(struct mongo_walk *walk, const char *doing, struct status *st);

/* A number of a document; 0 where it is not there. */
uint64_t mongo_number(const bson_t *document, const char *name);
/* One number of the first document that fits; 0 where there is none. */
bool mongo_find_number(struct mongo_store *s, enum mongo_collection collection,
                       const bson_t *filter, const bson_t *options, const char *name,
                       uint64_t *ret_number, struct status *st);

/* ---- Writing ---- */

/* Sends updates (an array of BSON) as one command, in no order, at majority. That another client
 * made the same document at the same time is no failure. ret_matched: how many found or made
 * theirs. */
bool mongo_update_each(struct mongo_store *s, enum mongo_collection collection, const bson_t *list,
                       uint64_t *ret_made, struct status *st);

/* Updates that go out together, in order. */
struct mongo_updates {
    struct mongo_store *store;
    enum mongo_collection collection;
    bson_t list; /* an array */
    uint32_t n;
    uint64_t
        modified; /* by what went out: how many documents were changed, not counting new ones */
};

void mongo_updates_init(struct mongo_updates *updates, struct mongo_store *s,
                        enum mongo_collection collection);
void mongo_updates_fini(struct mongo_updates *updates);
/* Adds one, and sends what has gathered where that is enough for one command. */
bool mongo_updates_add(struct mongo_updates *updates, const bson_t *query, const bson_t *change,
                       bool upsert, struct status *st);
/* Sends the rest; durable afterwards. Each update must be one that does no harm when it is done
 * twice: where two clients make the same document at once, it is. */
bool mongo_updates_send(struct mongo_updates *updates, struct status *st);

#endif
