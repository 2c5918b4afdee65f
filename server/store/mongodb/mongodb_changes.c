#include "mongodb_changes.h"

#include <assert.h>

#include "clock.h"
#include "mongodb_stream.h"

/* How long the server waits for a change before it answers without one. */
#define AWAIT_MS 1000
#define RETRY_MS 1000

struct mongo_changes {
    struct mongo_store *store;
    struct store_listener listener;
    struct wake stop;
    pthread_t thread;
    bool worked; /* only the thread: a stream was open once, so the server has them */
};

/* False for commits that this node is appending or has seen. */
static bool is_news(const struct mongo_store *s, uint64_t revision)
{
    return revision > atomic_load(&s->appending) && revision > atomic_load(&s->store.known);
}

static void tell(struct mongo_changes *changes, const bson_t *event)
{
    bson_iter_t at;
    bson_iter_t found;
    if (!bson_iter_init(&at, event) || !bson_iter_find_descendant(&at, "documentKey._id", &found)) {
        return;
    }
    uint64_t revision = (uint64_t)bson_iter_as_int64(&found);
    if (is_news(changes->store, revision)) {
        changes->listener.grown(changes->listener.user, revision);
    }
}

static mongoc_change_stream_t *open_stream(mongoc_collection_t *collection)
{
    AUTO(bson_destroy)
    bson_t *pipeline =
        BCON_NEW("pipeline", "[", "{", "$match", "{", "operationType", BCON_UTF8("insert"), "}",
                 "}", "{", "$project", "{", "documentKey", BCON_INT32(1), "}", "}", "]");
    AUTO(bson_destroy) bson_t *options = BCON_NEW("maxAwaitTimeMS", BCON_INT64(AWAIT_MS));
    return mongoc_collection_watch(collection, pipeline, options);
}

/* Reads the stream until an error ends it or the listener is gone. False: the server has no change
 * streams. */
static bool follow(struct mongo_changes *changes, mongoc_collection_t *collection)
{
    mongoc_change_stream_t *stream = open_stream(collection);
    const bson_t *event = NULL;
    bson_error_t error = {0};
    while (!wake_stopping(&changes->stop) &&
           !mongoc_change_stream_error_document(stream, &error, NULL)) {
        int64_t begun_ns = clock_monotonic_ns();
        if (mongoc_change_stream_next(stream, &event)) {
            tell(changes, event);
        } else if (clock_monotonic_ns() - begun_ns < AWAIT_MS * INT64_C(500000)) {
            wake_pause(&changes->stop, AWAIT_MS); /* a server that does not wait */
        }
        changes->worked =
            changes->worked || !mongoc_change_stream_error_document(stream, &error, NULL);
    }
    mongoc_change_stream_destroy(stream);
    return changes->worked || error.domain != MONGOC_ERROR_SERVER;
}

static void *run(void *argument)
{
    struct mongo_changes *changes = argument;
    struct mongo_store *s = changes->store;
    mongoc_client_t *client = mongoc_client_new_from_uri(s->uri);
    mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_set_appname(client, "confregd");
    mongoc_client_set_stream_initiator(client, mongo_stream_open, &changes->stop);
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, s->database, mongo_name(MONGO_COMMITS));
    while (!wake_stopping(&changes->stop) && follow(changes, collection)) {
        wake_pause(&changes->stop, RETRY_MS);
    }
    mongoc_collection_destroy(collection);
    mongoc_client_destroy(client);
    return NULL;
}

/* Not with the driver's own streams: a read of them cannot be interrupted. */
void mongo_listen(struct store *store, const struct store_listener *listener)
{
    struct mongo_store *s = mongo_of(store);
    assert(s->changes == NULL && "one listens at a time");
    if (!s->own_streams) {
        return;
    }
    struct mongo_changes *changes = mem_zalloc(sizeof *changes);
    changes->store = s;
    changes->listener = *listener;
    wake_init(&changes->stop);
    int failed = pthread_create(&changes->thread, NULL, run, changes);
    assert(failed == 0 && "a thread can be had at start");
    s->changes = changes;
}

void mongo_unlisten(struct store *store)
{
    struct mongo_changes *changes = MOVE(mongo_of(store)->changes);
    if (changes == NULL) {
        return;
    }
    wake_stop(&changes->stop);
    pthread_join(changes->thread, NULL);
    wake_fini(&changes->stop);
    free(changes);
}
