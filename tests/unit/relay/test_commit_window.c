/* The window on the log's end. */
#include <criterion/criterion.h>
#include <string.h>

#include "commit_window.h"
#include "leak_check.h"

static const uint8_t epoch[EPOCH_SIZE];

static void put(struct commit_window *window, uint64_t revision, size_t comment_bytes)
{
    AUTO(commit_unref) struct commit *commit = commit_new(0);
    commit->revision = revision;
    free(commit->comment);
    commit->comment = mem_alloc(comment_bytes + 1);
    memset(commit->comment, 'c', comment_bytes);
    commit->comment[comment_bytes] = '\0';
    commit_seal(commit, epoch);
    commit_window_put(window, commit);
}

static void expect(struct commit_window *window, uint64_t revision, bool there)
{
    AUTO(commit_unref) struct commit *commit = commit_window_take(window, revision);
    cr_assert_eq(commit != NULL, there, "revision %zu", (size_t)revision);
    cr_assert(commit == NULL || commit->revision == revision);
}

Test(window, gives_what_was_put)
{
    struct commit_window window;
    commit_window_init(&window, 10);
    cr_assert_eq(commit_window_newest(&window), 10);
    expect(&window, 10, false);
    expect(&window, 11, false);
    for (uint64_t r = 11; r <= 20; r++) {
        put(&window, r, 0);
    }
    cr_assert_eq(commit_window_newest(&window), 20);
    expect(&window, 10, false);
    expect(&window, 11, true);
    expect(&window, 15, true);
    expect(&window, 12, false); /* dropped on the way */
    expect(&window, 20, true);
    expect(&window, 21, false);
    commit_window_fini(&window);
    leak_check();
}

Test(window, is_bounded_in_number)
{
    struct commit_window window;
    commit_window_init(&window, 0);
    for (uint64_t r = 1; r <= COMMIT_WINDOW_COMMITS + 5; r++) {
        put(&window, r, 0);
    }
    cr_assert_eq(window.first, 6);
    expect(&window, 5, false);
    expect(&window, 6, true);
    commit_window_fini(&window);
    leak_check();
}

Test(window, is_bounded_in_bytes)
{
    struct commit_window window;
    commit_window_init(&window, 0);
    for (uint64_t r = 1; r <= 3000; r++) {
        put(&window, r, COMMENT_MAX_BYTES);
        cr_assert_leq(window.bytes, COMMIT_WINDOW_BYTES);
    }
    cr_assert_gt(window.first, 1000);
    expect(&window, window.first, true);
    expect(&window, 3000, true);
    cr_assert_eq(window.bytes, window.slots[3000 & (COMMIT_WINDOW_COMMITS - 1)]->record->len);
    commit_window_fini(&window);
    leak_check();
}
