#include "mongodb_plan.h"

#include <string.h>

/* Whether a part of the winning plan means that the whole collection is read: a stage of MongoDB,
 * or FerretDB's note that the filter is not pushed down. */
static bool is_scan(const bson_iter_t *element)
{
    const char *key = bson_iter_key(element);
    return (strcmp(key, "stage") == 0 && BSON_ITER_HOLDS_UTF8(element) &&
            strcmp(bson_iter_utf8(element, NULL), "COLLSCAN") == 0) ||
           (strcmp(key, "filterPushdown") == 0 && BSON_ITER_HOLDS_BOOL(element) &&
            !bson_iter_bool(element));
}

/* The depth is bounded by that of a BSON document, which the driver has checked. */
static bool has_scan(bson_iter_t *at)
{
    while (bson_iter_next(at)) {
        bson_iter_t inside;
        bool holds_more = BSON_ITER_HOLDS_DOCUMENT(at) || BSON_ITER_HOLDS_ARRAY(at);
        bool rejected = strcmp(bson_iter_key(at), "rejectedPlans") == 0;
        if (is_scan(at) ||
            (holds_more && !rejected && bson_iter_recurse(at, &inside) && has_scan(&inside))) {
            return true;
        }
    }
    return false;
}

bool mongo_plan_scans(const bson_t *reply)
{
    bson_iter_t at;
    return bson_iter_init(&at, reply) && has_scan(&at);
}

/* Whether a find with this condition on _id reads the whole collection. */
static bool ask(struct mongo_store *s, const bson_t *condition, bool *ret_scans, struct status *st)
{
    bson_t reply;
    bson_error_t error;
    AUTO(bson_destroy)
    bson_t *command =
        BCON_NEW("explain", "{", "find", BCON_UTF8(mongo_name(MONGO_COMMITS)), "filter", "{", "_id",
                 BCON_DOCUMENT(condition), "}", "sort", "{", "_id", BCON_INT32(1), "}", "limit",
                 BCON_INT64(1), "}", "verbosity", BCON_UTF8("queryPlanner"));
    bool told = mongo_run(s, s->database, command, &reply, &error);
    bool refused = !told && error.domain == MONGOC_ERROR_SERVER;
    *ret_scans = told && mongo_plan_scans(&reply);
    bson_destroy(&reply);
    return told || refused || mongo_fault(&error, "asking how it looks commits up", st);
}

bool mongo_ask_plan(struct mongo_store *s, enum mongo_plan *ret_plan, struct status *st)
{
    AUTO(bson_destroy) bson_t *range = BCON_NEW("$gt", BCON_INT64(0));
    AUTO(bson_destroy) bson_t *keys = BCON_NEW("$in", "[", BCON_INT64(1), BCON_INT64(2), "]");
    bool range_scans = false;
    bool keys_scan = false;
    if (!ask(s, range, &range_scans, st) || (range_scans && !ask(s, keys, &keys_scan, st))) {
        return false;
    }
    *ret_plan = !range_scans ? MONGO_RANGES : keys_scan ? MONGO_SCANS : MONGO_KEYS;
    return true;
}
