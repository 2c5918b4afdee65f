/* The committer over a store that fails on purpose. What runs on other threads than a test's own
 * uses assert: Criterion's assertions keep memory for each thread, which would look like a leak. */
#include <assert.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "committer.h"
#include "histogram_count.h"
#include "leak_check.h"
#include "store_open.h"
#include "trace.h"
#include "waited.h"

/* A committer over a store in a folder of its own. */
struct bench {
    char folder[64];
    char address[128];
    struct store *store; /* a trace over sqlite */
    struct registry *registry;
    struct committer *committer;
    uint64_t announced; /* the last revision that the listener was told of */
    sem_t *gate;        /* NULL, or what the listener waits for once */
};

/* The calls of the store that were made to fail so far, by name. */
static pthread_mutex_t failed_lock = PTHREAD_MUTEX_INITIALIZER;
static struct str failed;

static atomic_uint request_questions; /* that a store was asked */
static atomic_uint log_reads;

static void note_call(void *user, const struct trace_event *event)
{
    (void)user;
    request_questions += strcmp(event->call, "find_requests") == 0;
    log_reads += strcmp(event->call, "read_commits") == 0;
    AUTO_STR name = {0};
    str_addf(&name, "%s ", event->call);
    pthread_mutex_lock(&failed_lock);
    if (!event->ok && strstr(str_text(&failed), name.data) == NULL) {
        str_add_text(&failed, name.data);
    }
    pthread_mutex_unlock(&failed_lock);
}

/* Of a config in "prod", which need not be there. */
static struct mutation update_of(const char *service, struct buf *payload)
{
    return (struct mutation){.kind = MUTATE_UPDATE,
                             .environment = "prod",
                             .service = service,
                             .payload = payload,
                             .allow_missing = true,
                             .expected_epoch = ""};
}

static void committed(void *user, const struct staged *staged)
{
    struct bench *bench = user;
    assert(staged->commit->revision == bench->announced + 1 && "each once, in order");
    bench->announced++;
    if (bench->gate != NULL) {
        sem_wait(MOVE(bench->gate));
    }
}

static void settled(void *user, const struct position *position, bool own)
{
    (void)own;
    const struct bench *bench = user;
    assert(position->revision == bench->announced);
}

static bool open_store(struct bench *bench, struct status *st)
{
    struct store *inner = NULL;
    if (!store_open(bench->address, &inner, st)) {
        return false;
    }
    bench->store = trace_new(inner, note_call, NULL);
    return true;
}

/* Fault n of this kind strikes from the opening on. */
static void bench_open(struct bench *bench, uint64_t n, uint64_t times, enum trace_fault fault)
{
    struct status st;
    cr_assert(open_store(bench, &st), "%s", st.message);
    trace_fail(bench->store, n, times, fault);
    bench->registry = registry_new(bench->store->identity.epoch);
    while (!committer_recover(bench->store, bench->registry, &st)) {
        registry_free(bench->registry);
        bench->registry = registry_new(bench->store->identity.epoch);
        cr_assert_eq(st.code, STATUS_UNAVAILABLE, "%s", st.message);
    }
    bench->announced = registry_position(bench->registry).revision;
    struct committer_options options = {
        .store = bench->store,
        .registry = bench->registry,
        .listener = {.committed = committed, .settled = settled, .user = bench}};
    bench->committer = committer_new(&options);
}

static void bench_close(struct bench *bench)
{
    committer_free(MOVE(bench->committer));
    registry_free(MOVE(bench->registry));
    store_close(MOVE(bench->store));
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){.folder = "/tmp/confreg-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(bench->folder));
    snprintf(bench->address, sizeof bench->address, "sqlite:%s/log.db", bench->folder);
}

static void bench_fini(struct bench *bench)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log.db%s", bench->folder, suffixes[i]);
        unlink(path);
    }
    rmdir(bench->folder);
}

/* ---- The scenario: a life of two configs ---- */

struct step {
    enum mutation_kind kind;
    const char *service;
    const char *json;
    uint64_t version;
    bool erase;
};

static const struct step steps[] = {
    {MUTATE_CREATE, "a", "{\"n\":1}", 0, false},
    {MUTATE_UPDATE, "a", "{\"n\":2}", 0, false},
    {MUTATE_CREATE, "b", "{\"n\":1}", 0, false},
    {MUTATE_ROLLBACK, "a", NULL, 1, false},
    {MUTATE_MERGE_PATCH, "a", "{\"m\":1}", 0, false},
    {MUTATE_DELETE, "a", NULL, 4, false},
    {MUTATE_DELETE, "b", NULL, 0, true},
    {MUTATE_CREATE, "b", "{\"n\":2}", 0, false},
    {MUTATE_DELETE, "a", NULL, 0, false},
    {MUTATE_CREATE, "a", "{\"n\":9}", 0, false},
};

/* One try; the code that it ended with. */
static enum status_code try_step(struct bench *bench, size_t number)
{
    const struct step *step = &steps[number];
    AUTO(buf_unref)
    struct buf *payload = step->json == NULL ? NULL : buf_copy(step->json, strlen(step->json));
    struct mutation m = {.kind = step->kind,
                         .environment = "prod",
                         .service = step->service,
                         .payload = payload,
                         .version = step->version,
                         .erase = step->erase,
                         .expected_epoch = ""};
    char id[16];
    snprintf(id, sizeof id, "step-%zu", number);
    struct waited w;
    waited_init(&w, &m, id);
    waited_submit(bench->committer, &w);
    if (!w.write.ok) {
        return w.write.st.code;
    }
    cr_assert_eq(w.write.staged->commit->revision, number + 1, "a repeat gets the first answer");
    staged_free(w.write.staged);
    return STATUS_OK;
}

static void run_scenario(struct bench *bench)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        enum status_code code = STATUS_UNAVAILABLE;
        for (size_t tries = 0; tries < 10 && code == STATUS_UNAVAILABLE; tries++) {
            code = try_step(bench, i);
        }
        cr_assert_eq(code, STATUS_OK, "step %zu: %s", i, status_code_name(code));
    }
}

static void check_head(struct bench *bench, const char *service, uint64_t version, const char *json)
{
    AUTO(head_unref) struct head *head = registry_get(bench->registry, "prod", service);
    cr_assert_not_null(head);
    cr_assert_eq(head->version, version);
    cr_assert_eq(head_payload(head).len, strlen(json));
    cr_assert_arr_eq(head_payload(head).data, json, strlen(json));
}

static void check_version_is_erased(struct bench *bench, const char *service, uint64_t version)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(bench->store, "prod", service, version, &found, &st));
    cr_assert_null(version_change(&found)->payload);
    commit_unref(found.commit);
}

static void check_world(struct bench *bench)
{
    cr_assert_eq(registry_position(bench->registry).revision, COUNT_OF(steps));
    check_head(bench, "a", 5, "{\"n\":9}");
    check_head(bench, "b", 2, "{\"n\":2}");
    check_version_is_erased(bench, "a", 4);
    check_version_is_erased(bench, "b", 1);
}

/* Fails calls n … of the store until the scenario no longer meets the fault. */
static void with_faults(enum trace_fault fault, uint64_t times)
{
    bool met = true;
    for (uint64_t n = 0; met; n++) {
        struct bench bench;
        bench_init(&bench);
        bench_open(&bench, n, times, fault);
        run_scenario(&bench);
        check_head(&bench, "a", 5, "{\"n\":9}");
        met = trace_calls(bench.store) > n;
        bench_close(&bench);
        bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
        check_world(&bench);
        bench_close(&bench);
        bench_fini(&bench);
        cr_assert_lt(n, 1000);
    }
    static const char *const calls[] = {
        "tail",          "append",     "read_commits", "load_heads", "find_versions",
        "find_requests", "save_heads", "scrub",        "get_mark",   "set_mark"};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        cr_assert_not_null(strstr(str_text(&failed), calls[i]), "%s never failed", calls[i]);
    }
    str_fini(&failed);
}

Test(committer, a_call_fails, .timeout = 240)
{
    with_faults(TRACE_FAIL_BEFORE, 1);
    leak_check();
}

Test(committer, an_answer_is_lost, .timeout = 240)
{
    with_faults(TRACE_FAIL_AFTER, 1);
    leak_check();
}

Test(committer, three_calls_in_a_row_fail, .timeout = 240)
{
    with_faults(TRACE_FAIL_BEFORE, 3);
    leak_check();
}

/* Each read costs a slow store seconds. */
Test(committer, a_start_after_a_clean_stop_reads_only_the_tail_and_the_heads)
{
    struct bench bench;
    struct status st;
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    run_scenario(&bench);
    bench_close(&bench);
    cr_assert(open_store(&bench, &st), "%s", st.message);
    bench.registry = registry_new(bench.store->identity.epoch);
    log_reads = 0;
    cr_assert(committer_recover(bench.store, bench.registry, &st), "%s", st.message);
    cr_assert_eq(log_reads, 0);
    check_world(&bench);
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

/* A server that died without saving its heads: what the next one read out of the log must be saved
 * with what it changes itself. */
Test(committer, heads_read_from_the_log_are_saved)
{
    struct bench bench;
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 0), STATUS_OK);
    cr_assert_eq(try_step(&bench, 1), STATUS_OK);
    trace_fail(bench.store, trace_calls(bench.store), UINT32_MAX, TRACE_FAIL_BEFORE);
    bench_close(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 2), STATUS_OK);
    bench_close(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    check_head(&bench, "a", 2, "{\"n\":2}");
    check_head(&bench, "b", 1, "{\"n\":1}");
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

Test(committer, says_why_it_cannot_write)
{
    struct bench bench;
    char reason[256];
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 0), STATUS_OK);
    cr_assert(committer_writable(bench.committer, reason));
    trace_fail(bench.store, trace_calls(bench.store), UINT32_MAX, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 1), STATUS_UNAVAILABLE);
    trace_fail(bench.store, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 1), STATUS_OK);
    cr_assert(committer_writable(bench.committer, reason));
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

Test(committer, a_reused_request_id_is_refused)
{
    struct bench bench;
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&bench, 0), STATUS_OK);
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    struct mutation m = {.kind = MUTATE_UPDATE,
                         .environment = "prod",
                         .service = "a",
                         .payload = payload,
                         .expected_epoch = ""};
    struct waited w;
    waited_init(&w, &m, "step-0");
    w.write.command.fingerprint = hash_bytes("other", 5);
    waited_submit(bench.committer, &w);
    cr_assert_not(w.write.ok);
    cr_assert_str_eq(w.write.st.reason, "REQUEST_ID_REUSED");
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

/* ---- Refusals in a batch ---- */

static void wait_for_revision(struct bench *bench, uint64_t revision)
{
    while (registry_position(bench->registry).revision < revision) {
        sched_yield();
    }
}

/* Two deletes of one config in one batch: the second is refused for what the first does. */
struct two_deletes {
    struct bench bench;
    sem_t gate;
    struct mutation m;
    struct waited opener, first, second;
    uint64_t seen; /* the config's version when the second was answered */
};

static struct two_deletes *two_deletes;

static void second_done(struct write *write)
{
    AUTO(head_unref)
    struct head *head = registry_get(two_deletes->bench.registry, "prod", "a");
    two_deletes->seen = head->version;
    waited_done(write);
}

static void submit_delete(struct waited *w)
{
    waited_init(w, &two_deletes->m, "");
    committer_submit(two_deletes->bench.committer, &w->write);
}

/* While the committer is held up by another commit, both deletes come to wait. */
static void delete_twice(struct two_deletes *t, bool append_fails)
{
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    struct mutation update = update_of("b", payload);
    two_deletes = t;
    sem_init(&t->gate, 0, 0);
    bench_init(&t->bench);
    bench_open(&t->bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(try_step(&t->bench, 0), STATUS_OK);
    t->bench.gate = &t->gate;
    waited_init(&t->opener, &update, "");
    committer_submit(t->bench.committer, &t->opener.write);
    t->m = (struct mutation){
        .kind = MUTATE_DELETE, .environment = "prod", .service = "a", .expected_epoch = ""};
    wait_for_revision(&t->bench, 2);
    submit_delete(&t->first);
    waited_init(&t->second, &t->m, "");
    t->second.write.done = second_done;
    committer_submit(t->bench.committer, &t->second.write);
    if (append_fails) {
        trace_fail(t->bench.store, trace_calls(t->bench.store), 1, TRACE_FAIL_BEFORE);
    }
    sem_post(&t->gate);
    waited_wait(&t->opener);
    waited_wait(&t->first);
    waited_wait(&t->second);
    staged_free(t->opener.write.staged);
}

static void two_deletes_fini(struct two_deletes *t)
{
    staged_free(t->first.write.staged);
    staged_free(t->second.write.staged);
    bench_close(&t->bench);
    bench_fini(&t->bench);
    sem_destroy(&t->gate);
}

Test(committer, a_refusal_comes_when_its_reason_can_be_seen)
{
    static struct two_deletes t;
    delete_twice(&t, false);
    cr_assert(t.first.write.ok);
    cr_assert_not(t.second.write.ok);
    cr_assert_eq(t.second.write.st.code, STATUS_NOT_FOUND);
    cr_assert_eq(t.seen, 0, "told to be gone, and there at version %zu", (size_t)t.seen);
    two_deletes_fini(&t);
    leak_check();
}

Test(committer, nothing_is_refused_for_a_commit_that_failed)
{
    static struct two_deletes t;
    delete_twice(&t, true);
    cr_assert_not(t.first.write.ok);
    cr_assert_eq(t.first.write.st.code, STATUS_UNAVAILABLE);
    cr_assert(t.second.write.ok, "%s", t.second.write.st.message);
    two_deletes_fini(&t);
    leak_check();
}

/* ---- Many at once ---- */

/* While the committer is held up by one, others come to wait; their request_ids are one question.
 */
Test(committer, a_batch_asks_for_its_request_ids_once)
{
    static const char *const ids[] = {"r-0", "r-1", "r-2", "r-3", "r-0"};
    struct bench bench;
    struct waited waited[COUNT_OF(ids)];
    sem_t gate;
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    struct mutation m = update_of("a", payload);
    sem_init(&gate, 0, 0);
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    bench.gate = &gate;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        waited_init(&waited[i], &m, ids[i]);
        committer_submit(bench.committer, &waited[i].write);
        wait_for_revision(&bench, 1);
    }
    request_questions = 0;
    sem_post(&gate);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        waited_wait(&waited[i]);
        cr_assert(waited[i].write.ok, "%s", waited[i].write.st.message);
        cr_assert_eq(waited[i].write.staged->commit->revision, i == 4 ? 1 : i + 1);
        staged_free(waited[i].write.staged);
    }
    cr_assert_eq(request_questions, 1);
    bench_close(&bench);
    bench_fini(&bench);
    sem_destroy(&gate);
    leak_check();
}

#define AT_ONCE 20

Test(committer, commits_what_comes_at_once_in_one_append)
{
    struct bench bench;
    struct waited waited[AT_ONCE];
    struct write *writes[AT_ONCE];
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    struct mutation m = update_of("a", payload);
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    for (size_t i = 0; i < AT_ONCE; i++) {
        waited_init(&waited[i], &m, "");
        writes[i] = &waited[i].write;
    }
    committer_submit_all(bench.committer, writes, AT_ONCE);
    for (size_t i = 0; i < AT_ONCE; i++) {
        waited_wait(&waited[i]);
        cr_assert(waited[i].write.ok, "%s", waited[i].write.st.message);
        cr_assert_eq(waited[i].write.staged->commit->revision, i + 1);
        staged_free(waited[i].write.staged);
    }
    cr_assert_eq(histogram_count(&committer_stats(bench.committer)->batch), 1);
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

#define WRITERS 8
#define WRITES 50

static void *write_many(void *argument)
{
    struct bench *bench = argument;
    static atomic_uint next_writer;
    char service[16];
    snprintf(service, sizeof service, "w%u", atomic_fetch_add(&next_writer, 1));
    for (size_t i = 0; i < WRITES; i++) {
        AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
        struct mutation m = {.kind = MUTATE_UPDATE,
                             .environment = "prod",
                             .service = service,
                             .payload = payload,
                             .allow_missing = true,
                             .expected_epoch = ""};
        struct waited w;
        waited_init(&w, &m, "");
        waited_submit(bench->committer, &w);
        assert(w.write.ok && w.write.staged->after[0]->version == i + 1);
        staged_free(w.write.staged);
    }
    return NULL;
}

Test(committer, writers_share_batches, .timeout = 240)
{
    struct bench bench;
    pthread_t threads[WRITERS];
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_create(&threads[i], NULL, write_many, &bench);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(registry_position(bench.registry).revision, WRITERS * WRITES);
    cr_assert_eq(bench.announced, WRITERS * WRITES);
    bench_close(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_eq(registry_config_count(bench.registry), WRITERS);
    bench_close(&bench);
    bench_fini(&bench);
    leak_check();
}

/* ---- Large batches ---- */

#define ROLLBACKS 20

static void put_big(struct bench *bench, const char *json, size_t n)
{
    AUTO(buf_unref) struct buf *payload = buf_copy(json, n);
    struct mutation m = update_of("big", payload);
    struct waited w;
    waited_init(&w, &m, "");
    waited_submit(bench->committer, &w);
    cr_assert(w.write.ok);
    staged_free(w.write.staged);
}

/* Rollbacks that wait together, each of a mebibyte that it does not hold itself. */
Test(committer, a_batch_is_bounded_by_what_it_brings, .timeout = 240)
{
    static const struct mutation back = {.kind = MUTATE_ROLLBACK,
                                         .environment = "prod",
                                         .service = "big",
                                         .version = 1,
                                         .expected_epoch = ""};
    struct bench bench;
    struct waited waits[ROLLBACKS];
    sem_t gate;
    AUTO_STR big = {0};
    str_add_text(&big, "{\"x\":\"");
    memset(str_extend(&big, (1 << 20) - 8), 'y', (1 << 20) - 8);
    str_add_text(&big, "\"}");
    bench_init(&bench);
    bench_open(&bench, 0, 0, TRACE_FAIL_BEFORE);
    put_big(&bench, big.data, big.len);
    put_big(&bench, "{}", 2);
    const struct commit_stats *stats = committer_stats(bench.committer);
    uint64_t before = histogram_count(&stats->batch);
    uint64_t announced = histogram_count(&stats->announce);
    sem_init(&gate, 0, 0);
    bench.gate = &gate;
    for (size_t i = 0; i < ROLLBACKS; i++) {
        waited_init(&waits[i], &back, "");
        committer_submit(bench.committer, &waits[i].write);
    }
    sem_post(&gate);
    for (size_t i = 0; i < ROLLBACKS; i++) {
        waited_wait(&waits[i]);
        cr_assert(waits[i].write.ok);
        staged_free(waits[i].write.staged);
    }
    cr_assert_geq(histogram_count(&stats->batch) - before, ROLLBACKS / 8 + 1);
    cr_assert_eq(histogram_count(&stats->announce) - announced,
                 histogram_count(&stats->batch) - before, "once a batch");
    bench_close(&bench);
    bench_fini(&bench);
    sem_destroy(&gate);
    leak_check();
}
