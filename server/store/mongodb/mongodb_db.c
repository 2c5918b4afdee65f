#include "mongodb_db.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "condition.h"
#include "mongodb_stream.h"

#define UPDATES_BYTES (4u << 20) /* sent together, about */
#define UPDATES_MAX 100
#define UPDATE_TRIES 4

const char *mongo_name(enum mongo_collection collection)
{
    static const char *const names[] = {
        [MONGO_META] = "confreg_meta",
        [MONGO_COMMITS] = "confreg_commits",
        [MONGO_HEADS] = "confreg_heads_3",
        [MONGO_MARKS] = "confreg_marks",
    };
    return names[collection];
}

/* ---- Errors ---- */

#define ANY 0

/* The first matching row applies. Codes of domain SERVER are those of MongoDB's error_codes.yml. */
static const struct error_row {
    uint32_t domain;
    uint32_t code;
    enum mongo_effect effect;
    enum status_code status;
    const char *reason; /* NULL: STORE_UNAVAILABLE */
} error_rows[] = {
    {MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION, MONGO_NOTHING,
     STATUS_FAILED_PRECONDITION, "STORE_TOO_OLD"},
    {MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, MONGO_NOTHING,
     STATUS_FAILED_PRECONDITION, "STORE_TOO_OLD"},
    {MONGOC_ERROR_SERVER_SELECTION, ANY, MONGO_NOTHING, STATUS_UNAVAILABLE, NULL},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION, MONGO_NOTHING, STATUS_UNAVAILABLE,
     NULL},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, MONGO_NOTHING, STATUS_UNAVAILABLE, NULL},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, MONGO_NOTHING, STATUS_UNAVAILABLE,
     "STORE_DENIED"},
    {MONGOC_ERROR_SCRAM, ANY, MONGO_NOTHING, STATUS_UNAVAILABLE, "STORE_DENIED"},
    {MONGOC_ERROR_SERVER, 13, MONGO_NOTHING, STATUS_UNAVAILABLE, "STORE_DENIED"}, /* Unauthorized */
    {MONGOC_ERROR_SERVER, 18, MONGO_NOTHING, STATUS_UNAVAILABLE,
     "STORE_DENIED"}, /* AuthenticationFailed */
    {MONGOC_ERROR_SERVER, 8000, MONGO_UNKNOWN, STATUS_UNAVAILABLE,
     "STORE_DENIED"}, /* of a hosted service */
    {MONGOC_ERROR_SERVER, 11000, MONGO_DUPLICATE, STATUS_UNAVAILABLE, NULL},
    {MONGOC_ERROR_SERVER, 11001, MONGO_DUPLICATE, STATUS_UNAVAILABLE, NULL},
    {MONGOC_ERROR_SERVER, 12582, MONGO_DUPLICATE, STATUS_UNAVAILABLE, NULL},
    {ANY, ANY, MONGO_UNKNOWN, STATUS_UNAVAILABLE, NULL},
};

enum mongo_effect mongo_explain(const bson_error_t *error, const char *doing, struct status *st)
{
    const struct error_row *row = error_rows;
    while ((row->domain != ANY && row->domain != error->domain) ||
           (row->code != ANY && row->code != error->code)) {
        row++;
    }
    status_set(st, row->status, row->reason != NULL ? row->reason : "STORE_UNAVAILABLE",
               "the store, %s: %s", doing, error->message);
    return row->effect;
}

bool mongo_fault(const bson_error_t *error, const char *doing, struct status *st)
{
    mongo_explain(error, doing, st);
    return false;
}

static void take_error(bson_iter_t *document, bson_error_t *ret_error, size_t *ret_index)
{
    ret_error->domain = MONGOC_ERROR_SERVER;
    ret_error->code = 0;
    snprintf(ret_error->message, sizeof ret_error->message, "it gives no reason");
    *ret_index = SIZE_MAX;
    while (bson_iter_next(document)) {
        const char *key = bson_iter_key(document);
        if (strcmp(key, "code") == 0) {
            ret_error->code = (uint32_t)bson_iter_as_int64(document);
        } else if (strcmp(key, "index") == 0) {
            *ret_index = (size_t)bson_iter_as_int64(document);
        } else if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(document)) {
            snprintf(ret_error->message, sizeof ret_error->message, "%s",
                     bson_iter_utf8(document, NULL));
        }
    }
}

/* Takes the first error that stands in the reply under this path. */
static bool error_at(const bson_t *reply, const char *path, bson_error_t *ret_error,
                     size_t *ret_index)
{
    bson_iter_t at;
    bson_iter_t found;
    bson_iter_t inside;
    if (!bson_iter_init(&at, reply) || !bson_iter_find_descendant(&at, path, &found) ||
        !BSON_ITER_HOLDS_DOCUMENT(&found) || !bson_iter_recurse(&found, &inside)) {
        return false;
    }
    take_error(&inside, ret_error, ret_index);
    return true;
}

/* The driver and the server name this field differently. */
static bool concern_failed(const bson_t *reply, bson_error_t *ret_error)
{
    size_t ignored;
    return error_at(reply, "writeConcernErrors.0", ret_error, &ignored) ||
           error_at(reply, "writeConcernError", ret_error, &ignored);
}

bool mongo_write_error(const bson_t *reply, bson_error_t *ret_error, size_t *ret_index)
{
    if (error_at(reply, "writeErrors.0", ret_error, ret_index)) {
        return true;
    }
    *ret_index = SIZE_MAX;
    return concern_failed(reply, ret_error);
}

/* ---- Clients ---- */

/* The clients that this thread holds: at most one of each store. */
struct taken {
    struct taken *next;
    struct mongo_store *store;
    mongoc_client_t *client;
    unsigned times;
};
static _Thread_local struct taken *all_taken;

/* The link to the client of that store; the end of the list if there is none. */
static struct taken **find_taken(const struct mongo_store *s)
{
    struct taken **at = &all_taken;
    while (*at != NULL && (*at)->store != s) {
        at = &(*at)->next;
    }
    return at;
}

static mongoc_client_t *note_taken(struct mongo_store *s, mongoc_client_t *client)
{
    struct taken *taken = mem_alloc(sizeof *taken);
    *taken = (struct taken){.next = all_taken, .store = s, .client = client, .times = 1};
    all_taken = taken;
    return client;
}

static mongoc_client_t *no_client(bson_error_t *error, const char *why)
{
    bson_set_error(error, MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE,
                   "%s", why);
    return NULL;
}

static mongoc_client_t *wait_for_client(struct mongo_store *s, int64_t until_ns)
{
    mongoc_client_t *client;
    bool in_time = true;
    pthread_mutex_lock(&s->lock);
    while ((client = mongoc_client_pool_try_pop(s->pool)) == NULL && in_time &&
           !wake_stopping(&s->stop)) {
        in_time = condition_wait_until(&s->given, &s->lock, until_ns);
    }
    pthread_mutex_unlock(&s->lock);
    return client;
}

static void give_back(struct mongo_store *s, mongoc_client_t *client)
{
    pthread_mutex_lock(&s->lock);
    mongoc_client_pool_push(s->pool, client);
    pthread_cond_signal(&s->given);
    pthread_mutex_unlock(&s->lock);
}

/* The driver's wait cannot be interrupted, so it is done in short slices. */
static bool find_primary(const struct mongo_store *s, mongoc_client_t *client, int64_t until_ns,
                         bson_error_t *error)
{
    for (;;) {
        int64_t begun_ns = clock_monotonic_ns();
        mongoc_server_description_t *server =
            mongoc_client_select_server(client, true, NULL, error);
        int64_t now_ns = clock_monotonic_ns();
        if (server != NULL) {
            mongoc_server_description_destroy(server);
            return true;
        }
        bool waited = now_ns - begun_ns >= MONGO_SLICE_MS * INT64_C(500000);
        if (!waited || now_ns >= until_ns || wake_stopping(&s->stop)) {
            return false;
        }
    }
}

static bool prepare_client(struct mongo_store *s, mongoc_client_t *client, int64_t until_ns,
                           bson_error_t *error)
{
    if (s->own_streams) {
        mongoc_client_set_stream_initiator(client, mongo_stream_open, &s->stop);
    }
    return find_primary(s, client, until_ns, error);
}

static mongoc_client_t *take_new(struct mongo_store *s, bson_error_t *error)
{
    int64_t deadline = store_deadline();
    int64_t until = clock_monotonic_ns() + s->patience_ns;
    until = deadline < until ? deadline : until;
    if (wake_stopping(&s->stop)) {
        return no_client(error, "the node is stopping");
    }
    if (deadline <= clock_monotonic_ns()) {
        return no_client(error, "the time of the call is over");
    }
    mongoc_client_t *client = wait_for_client(s, until);
    if (client == NULL) {
        return no_client(error, "no connection became free in time: maxPoolSize is too small for "
                                "what is asked, or the server too slow");
    }
    if (!prepare_client(s, client, until, error)) {
        give_back(s, client);
        return NULL;
    }
    return note_taken(s, client);
}

mongoc_client_t *mongo_take_client(struct mongo_store *s, bson_error_t *error)
{
    struct taken *taken = *find_taken(s);
    if (taken == NULL) {
        return take_new(s, error);
    }
    taken->times++;
    return taken->client;
}

void mongo_give_client(struct mongo_store *s, mongoc_client_t *client)
{
    struct taken **at = find_taken(s);
    struct taken *taken = *at;
    assert(taken != NULL && taken->client == client && "a thread gives back what it took");
    if (--taken->times == 0) {
        *at = taken->next;
        free(taken);
        give_back(s, client);
    }
}

bool mongo_run(struct mongo_store *s, const char *database, const bson_t *command,
               bson_t *ret_reply, bson_error_t *ret_error)
{
    mongoc_client_t *client = mongo_take_client(s, ret_error);
    if (client == NULL) {
        bson_init(ret_reply);
        return false;
    }
    bool ok = mongoc_client_command_simple(client, database, command, NULL, ret_reply, ret_error);
    mongo_give_client(s, client);
    return ok;
}

/* ---- Sessions ---- */

MEM_CLEANUP(mongoc_session_opt_t, mongoc_session_opts_destroy)

/* Servers refuse afterClusterTime with read concern linearizable. */
static bool is_majority(const bson_t *options)
{
    bson_iter_t at;
    bson_iter_t level;
    return bson_iter_init(&at, options) &&
           bson_iter_find_descendant(&at, "readConcern.level", &level) &&
           BSON_ITER_HOLDS_UTF8(&level) && strcmp(bson_iter_utf8(&level, NULL), "majority") == 0;
}

static bool is_later(const struct mongo_time *a, const struct mongo_time *b)
{
    return a->seconds > b->seconds || (a->seconds == b->seconds && a->increment > b->increment);
}

mongoc_client_session_t *mongo_begin_session(struct mongo_store *s, mongoc_client_t *client,
                                             bson_t *options)
{
    bson_error_t ignored;
    AUTO(mongoc_session_opts_destroy) mongoc_session_opt_t *kind = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(kind, is_majority(options));
    mongoc_client_session_t *session = mongoc_client_start_session(client, kind, &ignored);
    if (session == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    struct mongo_time time = s->time;
    pthread_mutex_unlock(&s->lock);
    if (time.seconds != 0) {
        mongoc_client_session_advance_operation_time(session, time.seconds, time.increment);
    }
    if (!mongoc_client_session_append(session, options, &ignored)) {
        mongoc_client_session_destroy(session);
        return NULL;
    }
    return session;
}

void mongo_end_session(struct mongo_store *s, mongoc_client_session_t *session)
{
    struct mongo_time time;
    if (session == NULL) {
        return;
    }
    mongoc_client_session_get_operation_time(session, &time.seconds, &time.increment);
    mongoc_client_session_destroy(session);
    pthread_mutex_lock(&s->lock);
    s->time = is_later(&time, &s->time) ? time : s->time;
    pthread_mutex_unlock(&s->lock);
}

/* ---- Reading ---- */

/* The batch is larger than the limit: if they are equal, a server may leave the cursor open. */
void mongo_limit(bson_t *options, uint64_t n)
{
    BSON_APPEND_INT64(options, "limit", mongo_storable(n));
    BSON_APPEND_INT32(options, "batchSize", n < INT32_MAX ? (int32_t)n + 1 : INT32_MAX);
}

/* Sends the time that is left as maxTimeMS, so that the server stops working at the deadline, too,
 * and the connection can be kept. */
static void add_time_left(const bson_t *options, bson_t *ret_bounded)
{
    int64_t left_ms = (store_deadline() - clock_monotonic_ns()) / 1000000;
    bson_iter_t at;
    if (bson_iter_init_find(&at, options, "maxTimeMS")) {
        int64_t most_ms = bson_iter_as_int64(&at);
        left_ms = most_ms < left_ms ? most_ms : left_ms;
    }
    bson_init(ret_bounded);
    bson_copy_to_excluding_noinit(options, ret_bounded, "maxTimeMS", NULL);
    if (left_ms < INT32_MAX) {
        BSON_APPEND_INT32(ret_bounded, "maxTimeMS", left_ms < 1 ? 1 : (int32_t)left_ms);
    }
}

void mongo_find(struct mongo_store *s, enum mongo_collection collection, const bson_t *filter,
                const bson_t *options, struct mongo_walk *ret_walk)
{
    *ret_walk = (struct mongo_walk){.store = s};
    ret_walk->client = mongo_take_client(s, &ret_walk->error);
    if (ret_walk->client == NULL) {
        return;
    }
    ret_walk->collection =
        mongoc_client_get_collection(ret_walk->client, s->database, mongo_name(collection));
    bson_t bounded;
    add_time_left(options, &bounded);
    ret_walk->session = mongo_begin_session(s, ret_walk->client, &bounded);
    ret_walk->cursor =
        mongoc_collection_find_with_opts(ret_walk->collection, filter, &bounded, NULL);
    bson_destroy(&bounded);
}

bool mongo_next(struct mongo_walk *walk, const bson_t **ret_document)
{
    return walk->client != NULL && mongoc_cursor_next(walk->cursor, ret_document);
}

bool mongo_end(struct mongo_walk *walk, const char *doing, struct status *st)
{
    bson_error_t error;
    if (walk->client == NULL) {
        return mongo_fault(&walk->error, doing, st);
    }
    bool ok = !mongoc_cursor_error(walk->cursor, &error) || mongo_fault(&error, doing, st);
    mongoc_cursor_destroy(walk->cursor);
    mongo_end_session(walk->store, walk->session);
    mongoc_collection_destroy(walk->collection);
    mongo_give_client(walk->store, walk->client);
    return ok;
}

uint64_t mongo_number(const bson_t *document, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, name) ? (uint64_t)bson_iter_as_int64(&at) : 0;
}

const uint8_t *mongo_bytes(const bson_t *document, const char *name, size_t n)
{
    bson_iter_t at;
    const uint8_t *bytes = NULL;
    uint32_t found = 0;
    if (!bson_iter_init_find(&at, document, name) || !BSON_ITER_HOLDS_BINARY(&at)) {
        return NULL;
    }
    bson_iter_binary(&at, NULL, &found, &bytes);
    return found == n ? bytes : NULL;
}

bool mongo_find_number(struct mongo_store *s, enum mongo_collection collection,
                       const bson_t *filter, const bson_t *options, const char *name,
                       uint64_t *ret_number, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    uint64_t found = 0;
    mongo_find(s, collection, filter, options, &walk);
    if (mongo_next(&walk, &document)) {
        found = mongo_number(document, name);
    }
    if (!mongo_end(&walk, "looking up", st)) {
        return false;
    }
    *ret_number = found;
    return true;
}

/* ---- Writing ---- */

void mongo_updates_init(struct mongo_updates *updates, struct mongo_store *s,
                        enum mongo_collection collection)
{
    *updates = (struct mongo_updates){.store = s, .collection = collection};
    bson_init(&updates->list);
}

void mongo_updates_fini(struct mongo_updates *updates)
{
    bson_destroy(&updates->list);
}

bool mongo_updates_add(struct mongo_updates *updates, const bson_t *query, const bson_t *change,
                       bool upsert, struct status *st)
{
    char room[16];
    const char *key = NULL;
    bson_t update;
    bson_uint32_to_string(updates->n++, &key, room, sizeof room);
    bson_append_document_begin(&updates->list, key, -1, &update);
    BSON_APPEND_DOCUMENT(&update, "q", query);
    BSON_APPEND_DOCUMENT(&update, "u", change);
    BSON_APPEND_BOOL(&update, "upsert", upsert);
    bson_append_document_end(&updates->list, &update);
    return (updates->n < UPDATES_MAX && updates->list.len < UPDATES_BYTES) ||
           mongo_updates_send(updates, st);
}

static uint64_t count_modified(const bson_t *reply)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, "nModified") ? (uint64_t)bson_iter_as_int64(&at) : 0;
}

/* False: the server could not be asked, or refuses the command, as ret_error says. ret_reply: the
 * caller's to destroy, in any case; it may tell of updates that failed. */
static bool send_updates(struct mongo_store *s, enum mongo_collection collection,
                         const bson_t *list, bool ordered, bson_t *ret_reply,
                         bson_error_t *ret_error)
{
    AUTO(bson_destroy)
    bson_t *command = BCON_NEW("update", BCON_UTF8(mongo_name(collection)), "updates",
                               BCON_ARRAY(list), "ordered", BCON_BOOL(ordered));
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("writeConcern", "{", "w", BCON_UTF8("majority"), "wtimeout",
                               BCON_INT32(MONGO_WRITE_PATIENCE_MS), "}");
    mongoc_client_t *client = mongo_take_client(s, ret_error);
    if (client == NULL) {
        bson_init(ret_reply);
        return false;
    }
    bool ok = mongoc_client_write_command_with_opts(client, s->database, command, options,
                                                    ret_reply, ret_error);
    mongo_give_client(s, client);
    return ok;
}

/* Sends all once. *ret_again: another client made the same document at the same time. */
static bool send_once(struct mongo_updates *updates, bool *ret_again, struct status *st)
{
    bson_t reply;
    bson_error_t error;
    size_t index = 0;
    bool ok =
        send_updates(updates->store, updates->collection, &updates->list, true, &reply, &error);
    ok = !mongo_write_error(&reply, &error, &index) && ok;
    updates->modified += count_modified(&reply);
    bson_destroy(&reply);
    *ret_again = !ok && mongo_explain(&error, "updating", st) == MONGO_DUPLICATE;
    return ok;
}

/* False, with the error: an update has failed, and not for a duplicate. */
static bool only_duplicates(const bson_t *reply, bson_error_t *ret_error)
{
    bson_iter_t at;
    bson_iter_t each;
    bson_iter_t inside;
    struct status ignored;
    size_t index;
    if (!bson_iter_init_find(&at, reply, "writeErrors") || !BSON_ITER_HOLDS_ARRAY(&at) ||
        !bson_iter_recurse(&at, &each)) {
        return true;
    }
    while (bson_iter_next(&each)) {
        if (BSON_ITER_HOLDS_DOCUMENT(&each) && bson_iter_recurse(&each, &inside)) {
            take_error(&inside, ret_error, &index);
            if (mongo_explain(ret_error, "", &ignored) != MONGO_DUPLICATE) {
                return false;
            }
        }
    }
    return true;
}

static uint64_t count_made(const bson_t *reply)
{
    bson_iter_t at;
    bson_iter_t each;
    uint64_t n = 0;
    if (bson_iter_init_find(&at, reply, "upserted") && BSON_ITER_HOLDS_ARRAY(&at) &&
        bson_iter_recurse(&at, &each)) {
        while (bson_iter_next(&each)) {
            n++;
        }
    }
    return n;
}

bool mongo_update_each(struct mongo_store *s, enum mongo_collection collection, const bson_t *list,
                       uint64_t *ret_made, struct status *st)
{
    bson_t reply;
    bson_error_t error;
    bool ok = send_updates(s, collection, list, false, &reply, &error) &&
              only_duplicates(&reply, &error) && !concern_failed(&reply, &error);
    *ret_made = count_made(&reply);
    bson_destroy(&reply);
    return ok || mongo_fault(&error, "updating", st);
}

bool mongo_updates_send(struct mongo_updates *updates, struct status *st)
{
    bool again = updates->n > 0;
    bool ok = !again;
    for (int i = 0; again && i < UPDATE_TRIES; i++) {
        ok = send_once(updates, &again, st);
    }
    bson_reinit(&updates->list);
    updates->n = 0;
    return ok;
}
