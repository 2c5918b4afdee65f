/* The mirror's copy, fed by hand, whose selection changes while it runs. */
#include <criterion/criterion.h>
#include <string.h>

#include "leak_check.h"
#include "mirror_feed.h"

TestSuite(selections, .fini = leak_check);

static void select_services(const char *a, const char *b, uint64_t number)
{
    const struct mirror_selector selectors[] = {{NULL, a, NULL}, {NULL, b, NULL}};
    mirror_selection_fini(&wanted);
    mirror_selection_init(&wanted, selectors, b == NULL ? 1 : 2, number);
}

static void begin_for(struct mirror_copy *copy, enum mirror_stream stream, const char *services)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    char found[64] = "";
    mirror_copy_begin(copy, &wanted, &request);
    cr_assert_eq(copy->stream, stream, "stream %d", copy->stream);
    cr_expect_eq(request.include_snapshot, stream != MIRROR_STREAM_CHANGES);
    cr_expect_eq(request.resume_after == NULL, stream != MIRROR_STREAM_CHANGES);
    for (size_t i = 0; i < request.n_selectors; i++) {
        strcat(found, request.selectors[i]->service_name);
    }
    cr_expect_str_eq(found, services);
}

/* A copy of a alone, at version 1, as of revision 10; then b is selected, too. */
static void load_one_and_select(struct mirror_copy *copy)
{
    select_services("a", NULL, 1);
    start(copy);
    TAKE(copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3");
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    cr_expect(mirror_copy_is_settled(copy));
    cr_expect_eq(copy->view.selection, 1);
    cr_expect_not(mirror_copy_lacks(copy, &wanted));
    select_services("a", "b", 2);
    cr_expect(mirror_copy_lacks(copy, &wanted));
}

static void finish(struct mirror_copy *copy)
{
    mirror_copy_fini(copy);
    mirror_selection_fini(&wanted);
}

Test(selections, an_addition_appears_when_the_copy_reaches_it)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    cr_expect(mirror_copy_end(&copy, NULL, true));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(STARTED));
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:12");
    cr_expect_not(mirror_copy_has_served(&copy));
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    cr_expect(mirror_copy_has_served(&copy));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    cr_expect(mirror_copy_end(&copy, NULL, false));

    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "11:b:6 12:a:2 12:b:7");
    expect_view(&copy, MIRROR_IN_STEP, 12, 1);
    cr_expect_eq(copy.view.selection, 1);
    cr_expect_not(mirror_copy_is_settled(&copy));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 16, .previous = 12, .events = "16:b:8");
    expect_view(&copy, MIRROR_IN_STEP, 16, 2);
    expect(&copy, "a", 2, 12);
    expect(&copy, "b", 8, 16);
    cr_expect_eq(copy.view.selection, 2);
    cr_expect(mirror_copy_is_settled(&copy));
    cr_expect_str_eq(told.text, "12 a@1->2|16 b@7->8|");
    finish(&copy);
}

Test(selections, a_progress_mark_shows_an_addition)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    cr_expect_eq(copy.view.selection, 1);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 15);
    cr_expect_eq(copy.view.selection, 2, "there is no b, and that is known");
    finish(&copy);
}

/* Load b, which the caller may read in part, beside a, which he may read. */
static void add_filtered(struct mirror_copy *copy)
{
    load_one_and_select(copy);
    mirror_copy_end(copy, NULL, true);
    begin_for(copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(copy, .kind = KIND(STARTED), .filtered = true);
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 15);
    mirror_copy_end(copy, NULL, false);
    begin_for(copy, MIRROR_STREAM_CHANGES, "ab");
}

Test(selections, an_addition_that_may_be_read_in_part)
{
    struct mirror_copy copy;
    add_filtered(&copy);
    TAKE(&copy, .kind = KIND(STARTED), .filtered = true, .revision = 10);
    TAKE(&copy, .kind = KIND(PROGRESS), .filtered = true, .revision = 15);
    cr_expect_eq(copy.view.selection, 2);
    TAKE(&copy, .kind = KIND(PROGRESS), .filtered = true, .revision = 16);
    refuse(&copy, &(const struct said){.kind = KIND(PROGRESS), .revision = 17});
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    finish(&copy);
}

Test(selections, an_addition_that_may_be_read_before_the_copy_has_it)
{
    struct mirror_copy copy;
    add_filtered(&copy);
    refuse(&copy, &(const struct said){.kind = KIND(STARTED), .revision = 10});
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    finish(&copy);
}

/* Of an empty registry everything is as of revision 0. */
Test(selections, an_addition_of_nothing)
{
    struct mirror_copy copy;
    select_services("a", NULL, 1);
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    select_services("a", "b", 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    cr_expect(mirror_copy_has_served(&copy));
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED));
    cr_expect_eq(copy.view.selection, 2);
    finish(&copy);
}

/* A config of both selections stays as the table has it, so that no change of it is missed. */
Test(selections, an_addition_leaves_alone_what_is_there)
{
    const struct mirror_selector both[] = {{NULL, "a", NULL}, {"prod", NULL, NULL}};
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_selection_fini(&wanted);
    mirror_selection_init(&wanted, both, 2, 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:2:12 b:7:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "a");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 20, .events = "12:a:2");
    expect(&copy, "b", 7, 9);
    cr_expect_str_eq(told.text, "12 a@1->2|");
    finish(&copy);
}

Test(selections, an_addition_from_elsewhere)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 9);
    cr_expect_not(mirror_copy_end(&copy, NULL, false), "a server that lags is asked again later");
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 20);
    cr_expect_not(mirror_copy_end(&copy, NULL, false));
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .epoch = OTHER_EPOCH, .configs = "b:1:1");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 2);
    expect_view(&copy, MIRROR_IN_STEP, 2, 1);
    cr_expect_eq(copy.view.selection, 2);
    finish(&copy);
}

Test(selections, an_addition_that_is_too_large_keeps_the_rest)
{
    struct mirror_copy copy;
    struct status st;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:12");
    mirror_copy_overflow(&copy);
    status_set(&st, STATUS_RESOURCE_EXHAUSTED, "WATCH_TOO_LARGE", "too large");
    cr_expect(mirror_copy_end(&copy, &st, false), "it goes on at once");
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "a");
    cr_expect_not(mirror_copy_lacks(&copy, &wanted), "it is not asked for again");
    finish(&copy);
}

Test(selections, a_refused_addition_keeps_the_rest)
{
    struct status st;
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    status_set(&st, STATUS_PERMISSION_DENIED, "", "no");
    cr_expect(mirror_copy_end(&copy, &st, false));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "a");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .events = "11:a:2");
    cr_expect_str_eq(told.text, "11 a@1->2|");
    cr_expect_not(mirror_copy_lacks(&copy, &wanted));
    end_stream(&copy, STATUS_UNAVAILABLE);
    cr_expect(mirror_copy_lacks(&copy, &wanted), "it is asked for again on a new connection");
    finish(&copy);
}

Test(selections, what_is_not_selected_any_more_goes)
{
    struct mirror_copy copy;
    select_services("a", "b", 1);
    load(&copy);
    select_services("b", "c", 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "c");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "c:1:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "bc");
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    cr_expect_str_eq(told.text, "");
    finish(&copy);
}

Test(selections, a_selection_that_is_there_already)
{
    struct mirror_copy copy;
    select_services("a", "b", 1);
    load(&copy);
    select_services("b", NULL, 2);
    cr_expect(mirror_copy_lacks(&copy, &wanted));
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "b");
    cr_expect_eq(copy.view.selection, 2);
    cr_expect_not(mirror_copy_lacks(&copy, &wanted));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    finish(&copy);
}
