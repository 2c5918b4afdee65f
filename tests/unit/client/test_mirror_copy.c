/* The mirror's copy, fed by hand: what a watch may bring, in every order that matters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "leak_check.h"
#include "mirror_config.h"
#include "mirror_feed.h"

TestSuite(copy, .fini = leak_check);

Test(copy, a_snapshot_is_seen_when_it_is_complete)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3");
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:10");
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    expect(&copy, "a", 1, 3);
    expect(&copy, "b", 7, 10);
    cr_expect_str_eq(copy.view.epoch, EPOCH);
    cr_expect_eq(told.n_calls, 1);
    cr_expect_str_eq(told.text, "", "a first copy is no change");
    mirror_copy_fini(&copy);
}

Test(copy, an_empty_registry_is_a_copy_too)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    expect_view(&copy, MIRROR_IN_STEP, 0, 0);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    mirror_copy_fini(&copy);
}

Test(copy, events_in_order)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 10,
         .events = "11:a:2 11:c:1 12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    expect(&copy, "a", 3, 12);
    expect(&copy, "c", 1, 11);
    cr_expect_str_eq(told.text, "11 a@1->2;11 c@-1->1|12 a@2->3|");
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 20, .previous = 12);
    expect_view(&copy, MIRROR_IN_STEP, 20, 3);
    cr_expect_eq(told.n_calls, 2, "progress is told");
    mirror_copy_fini(&copy);
}

Test(copy, a_head_that_falls_back_is_newer)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:b:6");
    expect(&copy, "b", 6, 11);
    mirror_copy_fini(&copy);
}

Test(copy, what_is_older_than_the_copy_changes_nothing)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "9:b:8 11:a:2");
    expect(&copy, "b", 7, 10);
    expect(&copy, "a", 2, 11);
    mirror_copy_fini(&copy);
}

Test(copy, deletes_leave_tombstones)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:0");
    expect_view(&copy, MIRROR_IN_STEP, 11, 1);
    expect(&copy, "a", 0, 11);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 11, .events = "12:a:2");
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    expect(&copy, "a", 2, 12);
    cr_expect_str_eq(told.text, "11 a@1->0|12 a@0->2|");
    mirror_copy_fini(&copy);
}

Test(copy, a_delete_of_an_old_version_leaves_the_head_alone)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:-");
    expect(&copy, "a", 1, 3);
    cr_expect_str_eq(told.text, "11 a@-1->-1|");
    mirror_copy_fini(&copy);
}

Test(copy, an_erased_payload_is_none)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:2!");
    expect(&copy, "a", 2, 11);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a")->data);
    cr_expect_str_eq(mirror_table_find(&copy.table, "prod", "b")->data, "{}");
    mirror_copy_fini(&copy);
}

Test(copy, a_commit_in_parts_appears_at_once)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .more = true,
         .events = "11:a:2 12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    expect(&copy, "a", 1, 3);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 12, .more = true,
         .events = "12:b:8");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 12, .events = "12:c:1");
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    cr_expect_str_eq(told.text, "11 a@1->2|12 a@2->3;12 b@7->8;12 c@-1->1|");
    mirror_copy_fini(&copy);
}

Test(copy, a_lost_connection_goes_on_where_it_was)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .more = true,
         .events = "11:a:2 12:a:3");
    end_stream(&copy, STATUS_UNAVAILABLE);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect(mirror_copy_wants_target(&copy));
    mirror_copy_target(&copy, 12);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .events = "11:a:2");
    expect_view(&copy, MIRROR_STALE, 11, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 11, .events = "12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_str_eq(told.text, "11 a@1->2|12 a@2->3|");
    mirror_copy_fini(&copy);
}

Test(copy, events_before_the_target_count)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "12:a:2");
    expect_view(&copy, MIRROR_STALE, 12, 2);
    size_t before = told.n_calls;
    mirror_copy_target(&copy, 11);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_eq(told.n_calls, before + 1);
    cr_expect_not(mirror_copy_wants_target(&copy));
    mirror_copy_fini(&copy);
}

Test(copy, a_copy_at_the_target_is_in_step)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "12:a:2");
    mirror_copy_target(&copy, 13);
    expect_view(&copy, MIRROR_STALE, 12, 2);
    mirror_copy_target(&copy, 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    mirror_copy_fini(&copy);
}

/* The position at the start of a stream may come without its hash: the known one is kept. */
Test(copy, two_connections_lost_in_a_row)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    mirror_copy_fini(&copy);
}

Test(copy, lost_positions_take_a_snapshot)
{
    static const enum status_code codes[] = {STATUS_FAILED_PRECONDITION, STATUS_OUT_OF_RANGE};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct mirror_copy copy;
        load(&copy);
        end_stream(&copy, codes[i]);
        expect_view(&copy, MIRROR_STALE, 10, 2);
        begin_again(&copy, 0);
        mirror_copy_fini(&copy);
    }
}

Test(copy, another_log_replaces_everything_at_once)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_FAILED_PRECONDITION);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .epoch = OTHER_EPOCH, .configs = "b:2:2 d:1:1");
    expect_view(&copy, MIRROR_STALE, 10, 2);
    expect(&copy, "a", 1, 3);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 4);
    expect_view(&copy, MIRROR_IN_STEP, 4, 2);
    expect(&copy, "b", 2, 2);
    expect(&copy, "d", 1, 1);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    cr_expect_str_eq(copy.view.epoch, OTHER_EPOCH);
    cr_expect_eq(copy.view.resets, 1);
    cr_expect_not_null(strstr(told.text, "~4 a@1->0;"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "~2 b@7->2;"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "~1 d@-1->1;"), "%s", told.text);
    mirror_copy_fini(&copy);
}

/* ---- Rights ---- */

Test(copy, wider_rights_bring_what_could_not_be_read)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 10);
    refuse(&copy, &(const struct said){.kind = KIND(PROGRESS), .revision = 12, .previous = 10});
    expect_view(&copy, MIRROR_STALE, 10, 1);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3 b:7:10");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_str_eq(told.text, "~10 b@-1->7;");
    mirror_copy_fini(&copy);
}

/* The rights have changed while no stream was open. */
Test(copy, narrower_rights_take_away_what_cannot_be_read_any_more)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    refuse(&copy, &(const struct said){.kind = KIND(STARTED), .filtered = true, .revision = 10});
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(STARTED), .filtered = true);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    TAKE(&copy, .kind = KIND(EVENTS), .filtered = true, .revision = 11, .previous = 10,
         .events = "11:a:2");
    mirror_copy_fini(&copy);
}

Test(copy, rights_that_change_within_a_snapshot)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    refuse(&copy, &(const struct said){.kind = KIND(SNAPSHOT_END), .revision = 10});
    begin_again(&copy, 0);
    mirror_copy_fini(&copy);
}

Test(copy, what_a_snapshot_confirms_keeps_what_is_attached)
{
    struct mirror_copy copy;
    static int a;
    load(&copy);
    mirror_attach(mirror_table_find(&copy.table, "prod", "a"), &a);
    mirror_attach(mirror_table_find(&copy.table, "prod", "b"), &a);
    end_stream(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 30, .configs = "a:1:3 b:8:25");
    cr_expect_eq(mirror_attachment(mirror_table_find(&copy.table, "prod", "a")), &a);
    cr_expect_null(mirror_attachment(mirror_table_find(&copy.table, "prod", "b")));
    cr_expect_eq(told.n_freed, 1);
    cr_expect_str_eq(told.text, "~25 b@7->8;");
    mirror_copy_fini(&copy);
    cr_expect_eq(told.n_freed, 2);
}

/* The same revision of another log says nothing about what is in it. */
Test(copy, the_same_revision_in_another_epoch_is_another_config)
{
    struct mirror_copy copy;
    static int a;
    load(&copy);
    mirror_attach(mirror_table_find(&copy.table, "prod", "a"), &a);
    end_stream(&copy, STATUS_FAILED_PRECONDITION);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 10,
         .configs = "a:1:3 b:7:10");
    cr_expect_null(mirror_attachment(mirror_table_find(&copy.table, "prod", "a")));
    mirror_copy_fini(&copy);
}

/* ---- Silence ---- */

Test(copy, a_silent_watch_is_not_in_step_until_it_is_heard_again)
{
    struct mirror_copy copy;
    struct mirror_view view;
    load(&copy);
    mirror_copy_silent(&copy, clock_monotonic_ns() - INT64_C(7000000000));
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect_eq(told.n_calls, 1);
    mirror_copy_view(&copy, &view);
    cr_expect(view.age_ms >= 7000, "%d ms", (int)view.age_ms);
    cr_expect_not(mirror_copy_wants_target(&copy));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 10, .previous = 10, .more = true,
         .events = "11:a:2");
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 11, .events = "11:b:8");
    expect_view(&copy, MIRROR_IN_STEP, 11, 2);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 11, .previous = 11);
    expect_view(&copy, MIRROR_IN_STEP, 11, 2);
    cr_expect_eq(told.n_calls, 4);
    mirror_copy_fini(&copy);
}

/* Silence does not change a copy that waits for its snapshot or its target. */
Test(copy, silence_of_what_is_not_in_step)
{
    struct mirror_copy copy;
    start(&copy);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    mirror_copy_fini(&copy);
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect(mirror_copy_wants_target(&copy));
    mirror_copy_fini(&copy);
}

/* ---- What is absent ---- */

static void note(struct mirror_copy *copy, const char *service, uint64_t revision,
                 uint64_t mod_revision)
{
    mirror_copy_note_absent(copy, &(const struct mirror_absence){.epoch = EPOCH,
                                                                 .revision = revision,
                                                                 .environment = "prod",
                                                                 .service_name = service,
                                                                 .mod_revision = mod_revision});
}

/* mod_revision UINT64_MAX: the copy must not know the config. */
static void expect_found(const struct mirror_copy *copy, const char *service, uint64_t version,
                         uint64_t mod_revision)
{
    const struct mirror_config *found = mirror_copy_find(copy, "prod", service);
    cr_assert_eq(found == NULL, mod_revision == UINT64_MAX, "%s", service);
    if (found != NULL) {
        cr_expect_eq(found->version, version, "%s: version %d", service, (int)found->version);
        cr_expect_eq(found->mod_revision, mod_revision, "%s: %d", service,
                     (int)found->mod_revision);
    }
}

Test(copy, what_is_absent_is_a_tombstone_until_it_comes)
{
    struct mirror_copy copy;
    load(&copy);
    note(&copy, "c", 10, 4);
    expect_found(&copy, "c", 0, 4);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 10, .events = "12:c:1");
    expect_found(&copy, "c", 1, 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    cr_expect_str_eq(told.text, "12 c@-1->1|");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 13, .previous = 12, .events = "13:c:0");
    expect_found(&copy, "c", 0, 13);
    note(&copy, "c", 13, 4);
    expect_found(&copy, "c", 0, 13);
    mirror_copy_fini(&copy);
}

/* The copy covers revisions 10 (its snapshot) to 12. An absence is noted if its interval
 * [mod_revision, revision] overlaps that. */
Test(copy, an_absence_is_noted_where_it_holds_now)
{
    static const struct {
        const char *service;
        uint64_t revision, mod_revision, found;
    } cases[] = {
        {"c", 9, 0, UINT64_MAX},   {"d", 10, 0, 0},   {"e", 12, 12, 12},
        {"f", 99, 13, UINT64_MAX}, {"g", 99, 12, 12}, {"a", 12, 5, 3},
    };
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 12, .previous = 10);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        note(&copy, cases[i].service, cases[i].revision, cases[i].mod_revision);
        expect_found(&copy, cases[i].service, cases[i].service[0] == 'a', cases[i].found);
    }
    mirror_copy_note_absent(&copy, &(const struct mirror_absence){.epoch = OTHER_EPOCH,
                                                                  .revision = 12,
                                                                  .environment = "prod",
                                                                  .service_name = "h"});
    expect_found(&copy, "h", 0, UINT64_MAX);
    mirror_copy_fini(&copy);
}

/* Noted tombstones are not part of the comparison of copies. */
Test(copy, a_snapshot_forgets_what_was_noted)
{
    struct mirror_copy copy;
    load(&copy);
    note(&copy, "c", 10, 4);
    note(&copy, "d", 10, 0);
    end_stream(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    note(&copy, "e", 10, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12, .configs = "a:1:3 b:7:10 d:1:12");
    cr_expect_str_eq(told.text, "~12 d@-1->1;");
    expect_found(&copy, "c", 0, UINT64_MAX);
    expect_found(&copy, "d", 1, 12);
    expect_found(&copy, "e", 0, UINT64_MAX);
    note(&copy, "c", 11, 4);
    expect_found(&copy, "c", 0, UINT64_MAX);
    note(&copy, "c", 12, 4);
    expect_found(&copy, "c", 0, 4);
    mirror_copy_fini(&copy);
}

/* ---- What goes wrong ---- */

Test(copy, a_missed_message_is_noticed)
{
    static const struct said wrong[] = {
        {.kind = KIND(EVENTS), .revision = 13, .previous = 12, .events = "13:a:2"},
        {.kind = KIND(EVENTS), .revision = 13, .previous = 0, .events = "13:a:2"},
        {.kind = KIND(PROGRESS), .revision = 13, .previous = 11},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct mirror_copy copy;
        struct status st;
        load(&copy);
        cr_expect_not(take(&copy, &wrong[i], &st));
        cr_expect_str_eq(st.reason, "MESSAGE_MISSED");
        expect(&copy, "a", 1, 3);
        end_stream(&copy, STATUS_DATA_LOSS);
        begin_again(&copy, 0);
        mirror_copy_fini(&copy);
    }
}

Test(copy, a_snapshot_that_breaks_off_leaves_the_copy)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "z:1:11");
    end_stream(&copy, STATUS_UNAVAILABLE);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12, .configs = "a:1:3 b:7:10");
    cr_expect_null(mirror_table_find(&copy.table, "prod", "z"));
    mirror_copy_fini(&copy);
}

/* Whether what is held becomes too large in a snapshot or in a commit. */
Test(copy, parts_that_are_too_large_to_be_held)
{
    struct mirror_copy copy;
    load(&copy);
    cr_expect_not(mirror_copy_holds_parts(&copy));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 10, .previous = 10, .events = "11:a:2",
         .more = true);
    cr_expect(mirror_copy_holds_parts(&copy));
    mirror_copy_overflow(&copy);
    end_stream(&copy, STATUS_RESOURCE_EXHAUSTED);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 0);
    cr_expect_not(mirror_copy_holds_parts(&copy));
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "z:1:11");
    cr_expect(mirror_copy_holds_parts(&copy));
    mirror_copy_overflow(&copy);
    end_stream(&copy, STATUS_RESOURCE_EXHAUSTED);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 0);
    cr_expect_not(mirror_copy_holds_parts(&copy));
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12, .configs = "a:2:11");
    cr_expect_not(mirror_copy_holds_parts(&copy));
    expect_view(&copy, MIRROR_IN_STEP, 12, 1);
    mirror_copy_fini(&copy);
}

/* A progress mark passes revisions that select nothing. */
Test(copy, progress_brings_a_selection_in_step)
{
    struct mirror_copy copy;
    load(&copy);
    end_stream(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    mirror_copy_target(&copy, 15);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 15);
    expect_view(&copy, MIRROR_IN_STEP, 15, 2);
    mirror_copy_fini(&copy);
}

Test(copy, a_reference_outlives_the_copy)
{
    struct mirror_copy copy;
    load(&copy);
    struct mirror_config *kept = mirror_config_ref(mirror_table_find(&copy.table, "prod", "a"));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:2");
    mirror_copy_fini(&copy);
    cr_expect_eq(kept->version, 1);
    cr_expect_str_eq(kept->data, "{}");
    mirror_config_unref(kept);
}

Test(copy, the_first_to_attach_wins)
{
    static int one, two;
    struct mirror_copy copy;
    load(&copy);
    struct mirror_config *a = mirror_table_find(&copy.table, "prod", "a");
    cr_expect_null(mirror_attachment(a));
    cr_expect_eq(mirror_attach(a, &one), &one);
    cr_expect_eq(mirror_attach(a, &two), &one);
    cr_expect_eq(mirror_attachment(a), &one);
    cr_expect_eq(told.n_freed, 1);
    mirror_copy_fini(&copy);
}
