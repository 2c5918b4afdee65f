/* The window on the log's end. */
#include <criterion/criterion.h>
#include <string.h>

#include "inbox.h"
#include "leak_check.h"

static const uint8_t epoch[EPOCH_SIZE];

static void put(struct inbox *inbox, uint64_t revision, size_t comment_bytes)
{
    AUTO(commit_unref) struct commit *commit = commit_new(0);
    commit->revision = revision;
    free(commit->comment);
    commit->comment = mem_alloc(comment_bytes + 1);
    memset(commit->comment, 'c', comment_bytes);
    commit->comment[comment_bytes] = '\0';
    commit_seal(commit, epoch);
    inbox_put(inbox, commit);
}

static void expect(struct inbox *inbox, uint64_t revision, bool there)
{
    AUTO(commit_unref) struct commit *commit = inbox_take(inbox, revision);
    cr_assert_eq(commit != NULL, there, "revision %zu", (size_t)revision);
    cr_assert(commit == NULL || commit->revision == revision);
}

Test(inbox, gives_what_was_put)
{
    struct inbox inbox;
    inbox_init(&inbox, 10);
    cr_assert_eq(inbox_newest(&inbox), 10);
    expect(&inbox, 10, false);
    expect(&inbox, 11, false);
    for (uint64_t r = 11; r <= 20; r++) {
        put(&inbox, r, 0);
    }
    cr_assert_eq(inbox_newest(&inbox), 20);
    expect(&inbox, 10, false);
    expect(&inbox, 11, true);
    expect(&inbox, 15, true);
    expect(&inbox, 12, false); /* dropped on the way */
    expect(&inbox, 20, true);
    expect(&inbox, 21, false);
    inbox_fini(&inbox);
    leak_check();
}

Test(inbox, is_bounded_in_number)
{
    struct inbox inbox;
    inbox_init(&inbox, 0);
    for (uint64_t r = 1; r <= INBOX_COMMITS + 5; r++) {
        put(&inbox, r, 0);
    }
    cr_assert_eq(inbox.first, 6);
    expect(&inbox, 5, false);
    expect(&inbox, 6, true);
    inbox_fini(&inbox);
    leak_check();
}

Test(inbox, is_bounded_in_bytes)
{
    struct inbox inbox;
    inbox_init(&inbox, 0);
    for (uint64_t r = 1; r <= 3000; r++) {
        put(&inbox, r, COMMENT_MAX_BYTES);
        cr_assert_leq(inbox.bytes, INBOX_BYTES);
    }
    cr_assert_gt(inbox.first, 1000);
    expect(&inbox, inbox.first, true);
    expect(&inbox, 3000, true);
    cr_assert_eq(inbox.bytes, inbox.slots[3000 & (INBOX_COMMITS - 1)]->record->len);
    inbox_fini(&inbox);
    leak_check();
}
