/* Catching up with a log that others write to, that is damaged, and that is replaced. */
#include <criterion/criterion.h>

#include "catch_up.h"
#include "clock.h"
#include "leak_check.h"
#include "ledger.h"
#include "memory.h"
#include "store_open.h"

/* A node that reads what a ledger over the same store writes. */
struct fixture {
    struct store_ops ops;
    struct ledger writer;
    struct store *store;
    struct registry *registry;
    struct log_identity *identity;
    struct catch_up *catch_up;
    uint64_t applied, own; /* commits that it told of */
    unsigned settled, settled_own;
    unsigned changed;
    struct status st;
};

static void applied(void *user, const struct staged *staged, bool own)
{
    struct fixture *f = user;
    cr_assert_eq(staged->commit->revision, ++f->applied, "each once, in order");
    f->own += own;
}

static void settled(void *user, bool own)
{
    struct fixture *f = user;
    f->settled++;
    f->settled_own += own;
}

static void changed(void *user)
{
    struct fixture *f = user;
    f->changed++;
}

static void init(struct fixture *f, const char *address)
{
    struct store *written = NULL;
    *f = (struct fixture){.ops = store_memory};
    cr_assert(store_open(address, &written, &f->st));
    cr_assert(store_open(address, &f->store, &f->st));
    ledger_init(&f->writer, written);
    f->registry = registry_new(f->store->identity.epoch);
    f->identity = log_identity_new(f->store, changed, f);
    const struct catch_up_options options = {.store = f->store,
                                             .registry = f->registry,
                                             .identity = f->identity,
                                             .applied = applied,
                                             .settled = settled,
                                             .user = f};
    f->catch_up = catch_up_new(&options);
}

static void fini(struct fixture *f)
{
    f->store->ops = &store_memory;
    catch_up_free(f->catch_up);
    log_identity_free(f->identity);
    registry_free(f->registry);
    ledger_fini(&f->writer);
    store_close(f->store);
    leak_check();
}

Test(catch_up, applies_what_others_wrote)
{
    struct fixture f;
    init(&f, "memory:others");
    staged_free(ledger_update(&f.writer, "a"));
    staged_free(ledger_update(&f.writer, "b"));
    cr_assert(catch_up_run(f.catch_up, NULL, &f.st), "%s", f.st.message);
    cr_assert_eq(f.applied, 2);
    cr_assert_eq(f.settled, 1);
    cr_assert_eq(f.settled_own, 0);
    cr_assert(catch_up_take_rival(f.catch_up));
    cr_assert_not(catch_up_take_rival(f.catch_up), "told once");
    cr_assert(catch_up_run(f.catch_up, NULL, &f.st));
    cr_assert_eq(f.settled, 1, "there was nothing");
    fini(&f);
}

Test(catch_up, tells_its_own_commits_from_others)
{
    struct fixture f;
    init(&f, "memory:own");
    struct staged *first = ledger_update(&f.writer, "a");
    struct staged *second = ledger_update(&f.writer, "b");
    struct commit *commits[] = {first->commit, second->commit};
    struct own_commits own = {.commits = commits, .n = 2};
    cr_assert(catch_up_run(f.catch_up, &own, &f.st), "%s", f.st.message);
    cr_assert_eq(own.landed, 2);
    cr_assert_eq(f.own, 2);
    cr_assert_eq(f.settled_own, 1);
    cr_assert_not(catch_up_take_rival(f.catch_up));
    staged_free(first);
    staged_free(second);
    fini(&f);
}

/* ---- Damage ---- */

static bool skip_first(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                       store_row_visitor *visit, void *user, struct status *st)
{
    return store_memory.read_commits(store, from == 1 ? 2 : from, through, with_payloads, visit,
                                     user, st);
}

Test(catch_up, a_hole_is_damage_until_the_log_is_whole)
{
    struct fixture f;
    init(&f, "memory:hole");
    staged_free(ledger_update(&f.writer, "a"));
    staged_free(ledger_update(&f.writer, "a"));
    f.ops.read_commits = skip_first;
    f.store->ops = &f.ops;
    int64_t before_ns = clock_monotonic_ns();
    cr_assert_not(catch_up_run(f.catch_up, NULL, &f.st));
    cr_assert_eq(f.st.code, STATUS_DATA_LOSS);
    cr_assert(catch_up_is_damaged(f.catch_up, &f.st));
    cr_assert_eq(f.applied, 0);
    catch_up_note_end(f.catch_up, before_ns);
    cr_assert(catch_up_is_damaged(f.catch_up, &f.st), "a look before it was found says nothing");
    f.store->ops = &store_memory;
    cr_assert(catch_up_run(f.catch_up, NULL, &f.st), "%s", f.st.message);
    cr_assert_not(catch_up_is_damaged(f.catch_up, &f.st));
    cr_assert_eq(f.applied, 2);
    fini(&f);
}

/* The commits after the hole are gone: the log ends at the registry's position. */
Test(catch_up, a_later_look_at_the_end_clears_damage)
{
    struct fixture f;
    init(&f, "memory:gone");
    staged_free(ledger_update(&f.writer, "a"));
    staged_free(ledger_update(&f.writer, "a"));
    f.ops.read_commits = skip_first;
    f.store->ops = &f.ops;
    cr_assert_not(catch_up_run(f.catch_up, NULL, &f.st));
    catch_up_note_end(f.catch_up, clock_monotonic_ns() + 1);
    cr_assert_not(catch_up_is_damaged(f.catch_up, &f.st));
    fini(&f);
}

/* ---- Another log ---- */

Test(catch_up, another_log_is_told_once_and_for_good)
{
    struct fixture f;
    struct fixture other;
    init(&f, "memory:one");
    init(&other, "memory:two");
    staged_free(ledger_update(&f.writer, "a"));
    staged_free(ledger_update(&other.writer, "b"));
    cr_assert(catch_up_run(f.catch_up, NULL, &f.st));
    cr_assert(catch_up_run(other.catch_up, NULL, &f.st));
    struct position mine = registry_position(f.registry);
    struct position theirs = registry_position(other.registry);
    cr_assert(log_identity_check(f.identity, &mine, &f.st));
    cr_assert_not(log_identity_check(f.identity, &theirs, &f.st));
    cr_assert_str_eq(f.st.reason, "LOG_CHANGED");
    cr_assert_not(log_identity_check(f.identity, &theirs, &f.st));
    cr_assert_eq(f.changed, 1);
    cr_assert_not(catch_up_run(f.catch_up, NULL, &f.st), "for good");
    cr_assert_str_eq(f.st.reason, "LOG_CHANGED");
    fini(&other);
    fini(&f);
}

Test(catch_up, a_log_that_the_store_misses_is_told_once_and_for_good)
{
    struct fixture f;
    init(&f, "memory:gone");
    staged_free(ledger_update(&f.writer, "a"));
    atomic_store(&f.store->replaced, true);
    cr_assert_not(catch_up_run(f.catch_up, NULL, &f.st), "not even its own commit is believed");
    cr_assert_str_eq(f.st.reason, "LOG_CHANGED");
    cr_assert(log_identity_is_changed(f.identity, &f.st));
    cr_assert_eq(f.changed, 1);
    cr_assert_eq(f.applied, 0);
    fini(&f);
}

/* The commit may not be visible yet. */
Test(catch_up, a_missing_commit_is_not_another_log_at_once)
{
    struct fixture f;
    init(&f, "memory:late");
    struct position ahead = {.revision = 1};
    cr_assert(log_identity_check(f.identity, &ahead, &f.st));
    cr_assert_eq(f.changed, 0);
    fini(&f);
}
