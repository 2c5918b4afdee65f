/* The looker, with a thread in the committer's place that catches up when it is asked. What runs on
 * other threads than a test's own uses assert: Criterion's assertions keep memory for each thread,
 * which would look like a leak. */
#include <assert.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>

#include "catch_up.h"
#include "leak_check.h"
#include "ledger.h"
#include "store_open.h"
#include "sync.h"
#include "trace.h"

struct fixture {
    struct ledger writer;
    struct store *store; /* a trace */
    struct registry *registry;
    struct log_identity *identity;
    struct catch_up *catch_up;
    struct looker *looker;
    pthread_t committer;
    sem_t work;
    atomic_bool over;
    atomic_uint runs;    /* of the catch-up */
    atomic_bool refuses; /* to catch up */
    atomic_bool readable;
    struct status st;
};

static void applied(void *user, const struct staged *staged, bool own)
{
    (void)user, (void)staged, (void)own;
}

static void settled(void *user, bool own)
{
    (void)user, (void)own;
}

static void changed(void *user)
{
    (void)user;
}

static void wake(void *user)
{
    struct fixture *f = user;
    sem_post(&f->work);
}

static void note_look(void *user, bool ok, const struct status *st)
{
    (void)st;
    struct fixture *f = user;
    atomic_store(&f->readable, ok);
}

static void catch_up_once(struct fixture *f)
{
    struct status st;
    atomic_fetch_add(&f->runs, 1);
    bool ok = f->refuses ? status_set(&st, STATUS_DATA_LOSS, "LOG_DAMAGED", "made to fail")
                         : catch_up_run(f->catch_up, NULL, &st);
    looker_caught_up(f->looker, ok, &st);
}

static void *act_as_committer(void *argument)
{
    struct fixture *f = argument;
    while (!atomic_load(&f->over)) {
        sem_wait(&f->work);
        if (looker_take(f->looker).behind) {
            catch_up_once(f);
        }
    }
    return NULL;
}

static void init(struct fixture *f, const char *address)
{
    struct store *written = NULL;
    struct store *inner = NULL;
    *f = (struct fixture){.runs = 0};
    sem_init(&f->work, 0, 0);
    cr_assert(store_open(address, &written, &f->st));
    cr_assert(store_open(address, &inner, &f->st));
    ledger_init(&f->writer, written);
    f->store = trace_new(inner, NULL, NULL);
    f->registry = registry_new(f->store->identity.epoch);
    f->identity = log_identity_new(f->store, changed, f);
    const struct catch_up_options catch_up_options = {.store = f->store,
                                                      .registry = f->registry,
                                                      .identity = f->identity,
                                                      .applied = applied,
                                                      .settled = settled};
    f->catch_up = catch_up_new(&catch_up_options);
    const struct looker_options options = {.store = f->store,
                                           .registry = f->registry,
                                           .identity = f->identity,
                                           .wake = wake,
                                           .looked = note_look,
                                           .user = f};
    f->looker = looker_new(&options);
    cr_assert_eq(pthread_create(&f->committer, NULL, act_as_committer, f), 0);
}

static void fini(struct fixture *f)
{
    atomic_store(&f->over, true);
    sem_post(&f->work);
    pthread_join(f->committer, NULL);
    looker_free(f->looker);
    catch_up_free(f->catch_up);
    log_identity_free(f->identity);
    registry_free(f->registry);
    store_close(f->store);
    ledger_fini(&f->writer);
    leak_check();
}

struct counted_sync {
    struct sync sync;
    sem_t done;
};

static void count_done(struct sync *sync)
{
    struct counted_sync *counted = CONTAINER_OF(sync, struct counted_sync, sync);
    sem_post(&counted->done);
}

static void begin_sync(struct fixture *f, struct counted_sync *counted)
{
    *counted = (struct counted_sync){.sync.done = count_done};
    sem_init(&counted->done, 0, 0);
    looker_sync(f->looker, &counted->sync);
}

static bool sync_once(struct fixture *f)
{
    struct counted_sync counted;
    begin_sync(f, &counted);
    sem_wait(&counted.done);
    f->st = counted.sync.st;
    return counted.sync.ok;
}

Test(sync, brings_the_registry_to_the_logs_end, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:end");
    staged_free(ledger_update(&f.writer, "a"));
    staged_free(ledger_update(&f.writer, "a"));
    cr_assert(sync_once(&f), "%s", f.st.message);
    cr_assert_eq(registry_position(f.registry).revision, 2);
    cr_assert_geq(looker_seen(f.looker).revision, 2);
    cr_assert(f.readable);
    fini(&f);
}

/* Two that came while a look was under way share the next one: what one of them needs may have been
 * written after that look began. */
Test(sync, who_comes_during_a_look_is_told_by_the_next, .timeout = 60)
{
    struct fixture f;
    struct counted_sync first;
    struct counted_sync late[2];
    init(&f, "memory:during");
    trace_hold(f.store, "tail");
    begin_sync(&f, &first);
    trace_wait_held(f.store);
    staged_free(ledger_update(&f.writer, "a"));
    begin_sync(&f, &late[0]);
    begin_sync(&f, &late[1]);
    trace_hold(f.store, NULL);
    sem_wait(&first.done);
    sem_wait(&late[0].done);
    sem_wait(&late[1].done);
    cr_assert(first.sync.ok && late[0].sync.ok && late[1].sync.ok);
    cr_assert_eq(registry_position(f.registry).revision, 1);
    fini(&f);
}

/* The store has the commit and shows it late. */
Test(sync, waits_for_what_the_log_is_known_to_have, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:shown-late");
    cr_assert(sync_once(&f));
    staged_free(ledger_update(&f.writer, "a"));
    trace_hold(f.store, "read_commits");
    struct counted_sync counted;
    begin_sync(&f, &counted);
    trace_wait_held(f.store);
    trace_lag(f.store, 1, 2);
    trace_hold(f.store, NULL);
    sem_wait(&counted.done);
    cr_assert(counted.sync.ok, "%s", counted.sync.st.message);
    cr_assert_eq(registry_position(f.registry).revision, 1);
    fini(&f);
}

Test(sync, says_why_it_cannot_be_known, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:unknown");
    trace_fail(f.store, 0, UINT32_MAX, TRACE_FAIL_BEFORE);
    cr_assert_not(sync_once(&f));
    cr_assert_eq(f.st.code, STATUS_UNAVAILABLE);
    cr_assert_not(f.readable);
    trace_fail(f.store, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert(sync_once(&f), "%s", f.st.message);
    cr_assert(f.readable);
    fini(&f);
}

Test(sync, a_damaged_log_is_told_as_that, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:damaged");
    f.refuses = true;
    staged_free(ledger_update(&f.writer, "a"));
    cr_assert_not(sync_once(&f));
    cr_assert_eq(f.st.code, STATUS_DATA_LOSS);
    cr_assert_not(f.readable);
    fini(&f);
}

Test(sync, who_comes_after_the_end_is_told_so, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:stopped");
    looker_stop(f.looker);
    cr_assert_not(sync_once(&f));
    cr_assert_str_eq(f.st.reason, "SHUTTING_DOWN");
    fini(&f);
}

/* Nobody asks: it looks by itself, and the committer is told. */
Test(sync, looks_without_being_asked, .timeout = 60)
{
    struct fixture f;
    init(&f, "memory:unasked");
    staged_free(ledger_update(&f.writer, "a"));
    while (registry_position(f.registry).revision == 0) {
        trace_hold(f.store, "tail");
        trace_wait_held(f.store);
        trace_hold(f.store, NULL);
    }
    fini(&f);
}
