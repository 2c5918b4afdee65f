#include "mongodb_append.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "mongodb_guard.h"
#include "mongodb_rows.h"

#define INSERT_BYTES (16u << 20) /* one command's, unless one commit alone is larger */
#define INSERT_COMMITS 1000

struct documents {
    const bson_t **list; /* owned, with all it points to */
    size_t n;
};

static void documents_fini(struct documents *documents)
{
    for (size_t i = 0; i < documents->n; i++) {
        bson_destroy((bson_t *)(uintptr_t)documents->list[i]);
    }
    free(documents->list);
}
#define AUTO_DOCUMENTS __attribute__((cleanup(documents_fini))) struct documents

/* Makes documents of as many commits as fit into one command. */
static void make_documents(struct commit *const *commits, size_t n, struct documents *out)
{
    size_t bytes = 0;
    out->list = mem_array(n, sizeof out->list[0]);
    while (out->n < n && out->n < INSERT_COMMITS) {
        bson_t *document = mongo_commit_document(commits[out->n]);
        bytes += document->len;
        if (out->n > 0 && bytes > INSERT_BYTES) {
            bson_destroy(document);
            return;
        }
        out->list[out->n++] = document;
    }
}

static bool insert(struct mongo_store *s, const struct documents *documents, bson_t *ret_reply,
                   bson_error_t *ret_error)
{
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("ordered", BCON_BOOL(true), "validate", BCON_BOOL(false), "writeConcern", "{", "w",
                 BCON_UTF8("majority"), "wtimeout", BCON_INT32(MONGO_WRITE_PATIENCE_MS), "}");
    mongoc_client_t *client = mongo_take_client(s, ret_error);
    if (client == NULL) {
        bson_init(ret_reply);
        return false;
    }
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, s->database, mongo_name(MONGO_COMMITS));
    mongoc_client_session_t *session = mongo_begin_session(s, client, options);
    bool ok = mongoc_collection_insert_many(collection, documents->list, documents->n, options,
                                            ret_reply, ret_error);
    mongo_end_session(s, session);
    mongoc_collection_destroy(collection);
    mongo_give_client(s, client);
    return ok;
}

/* Converts a failed insert to a status of append. first: no earlier command of the append has
 * succeeded. */
static bool refuse(const bson_t *reply, const bson_error_t *said, const struct commit *commit,
                   bool first, struct status *st)
{
    bson_error_t error = *said;
    size_t index = SIZE_MAX;
    bool of_document = mongo_write_error(reply, &error, &index) && index != SIZE_MAX;
    enum mongo_effect effect = mongo_explain(&error, "appending", st);
    if (effect == MONGO_DUPLICATE) {
        return status_set_outcome(st, OUTCOME_REVISION_TAKEN,
                                  "revision %" PRIu64 " is in the log already",
                                  commit->revision + (of_document ? index : 0));
    }
    /* Nothing was inserted: the command did not reach the server, or failed at its first document.
     */
    bool nothing = effect == MONGO_NOTHING || (of_document && index == 0);
    if (!first || !nothing) {
        status_become(st, OUTCOME_UNKNOWN);
    }
    return false;
}

static bool append(struct mongo_store *s, struct commit *const *commits, size_t n,
                   struct status *st)
{
    for (size_t done = 0; done < n;) {
        AUTO_DOCUMENTS documents = {0};
        bson_t reply;
        bson_error_t error = {0};
        make_documents(commits + done, n - done, &documents);
        bool ok = insert(s, &documents, &reply, &error) ||
                  refuse(&reply, &error, commits[done], done == 0, st);
        bson_destroy(&reply);
        if (!ok) {
            return false;
        }
        done += documents.n;
    }
    return true;
}

/* Whether what an append did was done to the log that was opened. If not, it may have been done to
 * another one, or to none: its outcome is not known. */
static bool prove(struct mongo_store *s, struct status *st)
{
    struct status fault;
    if (mongo_guard_end(s->guard, &fault)) {
        return true;
    }
    *st = fault;
    status_become(st, OUTCOME_UNKNOWN);
    return false;
}

bool mongo_append(struct store *store, struct commit *const *commits, size_t n, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    assert(n > 0 && commits[n - 1]->revision == commits[0]->revision + n - 1 &&
           "the revisions of an append follow one another");
    atomic_store(&s->appending, commits[n - 1]->revision);
    mongo_guard_begin(s->guard);
    bool ok = append(s, commits, n, st);
    atomic_store(&s->appending, 0);
    if (ok || st->outcome == OUTCOME_REVISION_TAKEN) {
        ok = prove(s, st) && ok;
    }
    atomic_store(&s->unproved, !ok && st->outcome == OUTCOME_UNKNOWN);
    return ok;
}
