/* Parsing of a server's explain: MongoDB's forms, those of the test servers, and none. */
#include <criterion/criterion.h>

#include "mongodb_plan.h"

#define PLANNER(plan) "{\"queryPlanner\": {\"winningPlan\": " plan "}, \"ok\": 1}"

static void expect(const char *json, bool scans)
{
    bson_error_t error;
    bson_t *reply = bson_new_from_json((const uint8_t *)json, -1, &error);
    cr_assert_not_null(reply, "%s: %s", json, error.message);
    cr_assert_eq(mongo_plan_scans(reply), scans, "%s", json);
    bson_destroy(reply);
}

Test(mongodb_plan, is_an_index_scan)
{
    expect(PLANNER("{\"stage\": \"LIMIT\", \"inputStage\": {\"stage\": \"FETCH\", \"inputStage\":"
                   " {\"stage\": \"IXSCAN\", \"indexName\": \"_id_\"}}}"),
           false);
    expect(PLANNER("{\"stage\": \"EXPRESS_IXSCAN\"}"), false);
    expect(PLANNER("{\"stage\": \"CLUSTERED_IXSCAN\"}"), false);
    /* the slot-based engine's, and a sharded collection's */
    expect(PLANNER("{\"queryPlan\": {\"stage\": \"IXSCAN\"}, \"slotBasedPlan\": {\"stages\":"
                   " \"[1] ixseek\"}}"),
           false);
    expect(PLANNER("{\"stage\": \"SINGLE_SHARD\", \"shards\": [{\"winningPlan\": {\"stage\":"
                   " \"IXSCAN\"}}]}"),
           false);
}

Test(mongodb_plan, is_none_of_an_empty_collection)
{
    expect(PLANNER("{\"stage\": \"EOF\"}"), false);
}

Test(mongodb_plan, is_a_scan_of_the_collection)
{
    expect(PLANNER("{\"stage\": \"COLLSCAN\"}"), true);
    expect(PLANNER("{\"stage\": \"SORT\", \"inputStage\": {\"stage\": \"COLLSCAN\"}}"), true);
    expect(PLANNER("{\"stage\": \"SHARD_MERGE\", \"shards\": [{\"winningPlan\": {\"stage\":"
                   " \"COLLSCAN\"}}]}"),
           true);
    expect("{\"queryPlanner\": {\"Plan\": [\"detail=SCAN c\"]}, \"filterPushdown\": false}", true);
    expect("{\"queryPlanner\": {\"Plan\": [\"detail=SEARCH c\"]}, \"filterPushdown\": true}",
           false);
}

Test(mongodb_plan, is_not_what_was_rejected)
{
    expect("{\"queryPlanner\": {\"winningPlan\": {\"stage\": \"IXSCAN\"}, \"rejectedPlans\":"
           " [{\"stage\": \"COLLSCAN\"}]}}",
           false);
}

Test(mongodb_plan, is_taken_for_an_index_scan_where_it_is_not_told)
{
    expect("{}", false);
    expect("{\"ok\": 1, \"stage\": 7, \"filterPushdown\": \"no\"}", false);
}
