/* The notification of a change, byte for byte. */
#include <criterion/criterion.h>
#include <string.h>

#include "key.h"
#include "leak_check.h"
#include "notification.h"

struct told {
    enum change_kind kind;
    uint64_t version, previous_version;
    const char *comment;
    const char *key; /* NULL: nothing is told */
    const char *json;
    const char *created_by; /* NULL: none named */
};

#define TIME "\"timestamp\":\"2026-01-31T09:18:40.507038Z\""
#define SYSTEM ",\"created_by\":\"system\"}"
#define HEAD                                                                                       \
    "{\"event_type\":\"config.changes\",\"service_name\":\"b\\\"x\",\"environment\":\"prod\","

static const struct told table[] = {
    {CHANGE_CREATE, 1, 0, "", "config.created",
     HEAD "\"version\":1," TIME ",\"change_type\":\"created\",\"comment\":\"\"" SYSTEM, NULL},
    {CHANGE_CREATE, 4, 0, "again", "config.created",
     HEAD "\"version\":4," TIME ",\"change_type\":\"created\",\"comment\":\"again\"" SYSTEM, NULL},
    {CHANGE_UPDATE, 2, 1, "more", "config.updated",
     HEAD "\"version\":2," TIME ",\"change_type\":\"updated\",\"comment\":\"more\"" SYSTEM, NULL},
    {CHANGE_ROLLBACK, 3, 2, "", "config.updated",
     HEAD "\"version\":3," TIME ",\"change_type\":\"updated\",\"comment\":\"\"" SYSTEM, NULL},
    {CHANGE_DELETE, 0, 3, "", "config.deleted",
     HEAD "\"version\":0," TIME
          ",\"change_type\":\"deleted\",\"comment\":\"Configuration deleted\"" SYSTEM,
     NULL},
    {CHANGE_DELETE, 2, 3, "bye", "config.deleted",
     HEAD "\"version\":2," TIME ",\"change_type\":\"deleted\",\"comment\":\"bye\"" SYSTEM, NULL},
    {CHANGE_ERASE, 0, 3, "", "config.deleted",
     HEAD "\"version\":0," TIME
          ",\"change_type\":\"deleted\",\"comment\":\"Configuration deleted\"" SYSTEM,
     NULL},
    {CHANGE_IMPORT, 7, 0, "", "config.created",
     HEAD "\"version\":7," TIME ",\"change_type\":\"created\",\"comment\":\"\"" SYSTEM, NULL},
    {CHANGE_IMPORT, 8, 7, "", "config.updated",
     HEAD "\"version\":8," TIME ",\"change_type\":\"updated\",\"comment\":\"\"" SYSTEM, NULL},
    {CHANGE_UPDATE, 9, 8, "", "config.updated",
     HEAD "\"version\":9," TIME
          ",\"change_type\":\"updated\",\"comment\":\"\",\"created_by\":\"a\\\"da\"}",
     "a\"da"},
    {CHANGE_UPDATE, 9, 8, "", "config.updated",
     HEAD "\"version\":9," TIME
          ",\"change_type\":\"updated\",\"comment\":\"\",\"created_by\":\"\"}",
     ""},
    {CHANGE_UNDELETE, 5, 0, "back", "config.created",
     HEAD "\"version\":5," TIME ",\"change_type\":\"created\",\"comment\":\"back\"" SYSTEM, NULL},
    {(enum change_kind)99, 0, 0, "", NULL, NULL, NULL},
};

static struct commit *make(const struct told *told)
{
    struct commit *commit = commit_new(1);
    commit->time_us = INT64_C(1769851120507038);
    free(commit->comment);
    commit->comment = mem_string(told->comment);
    commit->created_by = told->created_by == NULL ? NULL : mem_string(told->created_by);
    commit->changes[0] = (struct change){.kind = told->kind,
                                         .environment = mem_string("prod"),
                                         .service = mem_string("b\"x"),
                                         .version = told->version,
                                         .previous_version = told->previous_version};
    return commit;
}

/* Listeners expect the events of configs only. */
Test(notification, is_not_made_of_schemas)
{
    AUTO(commit_unref) struct commit *commit = make(&table[0]);
    cr_assert_not_null(notification_routing_key(&commit->changes[0]));
    free(commit->changes[0].environment);
    commit->changes[0].environment = mem_string(key_of_schema("prod").text);
    cr_assert_null(notification_routing_key(&commit->changes[0]));
    leak_check();
}

Test(notification, says_what_is_documented)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO(commit_unref) struct commit *commit = make(&table[i]);
        const char *key = notification_routing_key(&commit->changes[0]);
        if (table[i].key == NULL) {
            cr_assert_null(key);
            continue;
        }
        AUTO_STR json = {0};
        notification_render(commit, 0, &json);
        cr_assert_str_eq(key, table[i].key, "row %zu", i);
        cr_assert_str_eq(json.data, table[i].json, "row %zu", i);
    }
    leak_check();
}
