#include <criterion/criterion.h>
#include <string.h>

#include "leak_check.h"
#include "ring.h"

static const uint8_t epoch[EPOCH_SIZE] = {9};

static struct commit *commit_of(uint64_t revision, enum change_kind kind, const char *service,
                                uint64_t version)
{
    struct commit *commit = commit_new(1);
    struct change *change = &commit->changes[0];
    commit->revision = revision;
    change->kind = kind;
    change->environment = mem_string("prod");
    change->service = mem_string(service);
    change->version = version;
    change->head_version = kind == CHANGE_ERASE ? 0 : version;
    change->previous_version = version - 1;
    change->payload = kind == CHANGE_ERASE ? NULL : buf_copy("{}", 2);
    commit_seal(commit, epoch);
    return commit;
}

static void push(struct ring *ring, uint64_t revision, const char *service, uint64_t version)
{
    AUTO(commit_unref) struct commit *commit = commit_of(revision, CHANGE_UPDATE, service, version);
    struct encoded_commit *encoded = encoded_commit_new(commit, 1);
    encoded_commit_add(encoded, 0, commit->changes[0].environment, buf_copy("an event", 8), NULL);
    ring_push(ring, encoded);
}

Test(ring, keeps_the_newest_within_its_bytes)
{
    struct ring ring;
    ring_init(&ring, 101, 8000);
    cr_assert_eq(ring_first(&ring), 101, "empty: the first is the next");
    for (uint64_t revision = 101; revision < 1101; revision++) {
        push(&ring, revision, "a", revision);
        cr_assert_leq(ring.bytes, 8000);
        cr_assert_eq(ring.next, revision + 1);
    }
    cr_assert_gt(ring.n, 3);
    cr_assert_lt(ring.n, 100);
    for (uint64_t revision = ring_first(&ring); revision < ring.next; revision++) {
        cr_assert_eq(ring_at(&ring, revision)->commit->revision, revision);
    }
    ring_fini(&ring);
    leak_check();
}

Test(ring, keeps_the_newest_even_if_it_is_too_large)
{
    struct ring ring;
    ring_init(&ring, 1, 1);
    push(&ring, 1, "a", 1);
    push(&ring, 2, "a", 2);
    cr_assert_eq(ring.n, 1);
    cr_assert_eq(ring_at(&ring, 2)->commit->revision, 2);
    ring_fini(&ring);
    leak_check();
}

Test(ring, an_erase_drops_what_shows_the_payload)
{
    struct ring ring;
    ring_init(&ring, 1, 1 << 20);
    push(&ring, 1, "a", 1);
    push(&ring, 2, "b", 1);
    push(&ring, 3, "a", 2);
    push(&ring, 4, "b", 2);
    AUTO(commit_unref) struct commit *other = commit_of(5, CHANGE_ERASE, "c", 1);
    ring_erase(&ring, other);
    cr_assert_eq(ring_first(&ring), 1, "another config's erase changes nothing");
    AUTO(commit_unref) struct commit *one = commit_of(5, CHANGE_ERASE, "a", 1);
    ring_erase(&ring, one);
    cr_assert_eq(ring_first(&ring), 4, "version 1 is also the value before version 2");
    AUTO(commit_unref) struct commit *all = commit_of(5, CHANGE_ERASE, "b", 0);
    all->changes[0].source_version = 2;
    ring_erase(&ring, all);
    cr_assert_eq(ring_first(&ring), 5, "the newest that shows it goes, and what is older");
    push(&ring, 5, "a", 3);
    cr_assert_eq(ring_at(&ring, 5)->commit->revision, 5);
    ring_fini(&ring);
    leak_check();
}

/* Every commit passes here: one that looked through the ring would make a write cost what the ring
 * holds. */
Test(ring, a_commit_that_erases_nothing_does_not_look_through_it, .timeout = 240)
{
    struct ring ring;
    ring_init(&ring, 1, 1 << 30);
    for (uint64_t revision = 1; revision <= 50000; revision++) {
        push(&ring, revision, "a", revision);
    }
    AUTO(commit_unref) struct commit *update = commit_of(50001, CHANGE_UPDATE, "a", 50001);
    for (int i = 0; i < 1000000; i++) {
        ring_erase(&ring, update);
    }
    cr_assert_eq(ring_first(&ring), 1);
    ring_fini(&ring);
    leak_check();
}
