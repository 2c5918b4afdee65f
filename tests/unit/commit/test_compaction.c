/* Compaction by a committer over SQLite, held against what the log says has to stay. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leak_check.h"
#include "random.h"
#include "store_open.h"
#include "trace.h"
#include "waited.h"

#define SERVICES 4
#define MOST_VERSIONS 400

struct bench {
    char folder[64];
    char address[128];
    struct store *store; /* a trace over sqlite */
    struct registry *registry;
    struct committer *committer;
    sem_t marked;      /* posted when a mark was set */
    atomic_uint finds; /* reads of the log for changes */
};

static void committed(void *user, const struct staged *staged)
{
    (void)user;
    (void)staged;
}

static void settled(void *user, const struct position *position, bool own)
{
    (void)user;
    (void)position;
    (void)own;
}

static void on_call(void *user, const struct trace_event *event)
{
    struct bench *bench = user;
    if (strcmp(event->call, "set_mark") == 0) {
        sem_post(&bench->marked);
    }
    bench->finds += strcmp(event->call, "find_changes") == 0;
}

static void bench_open(struct bench *bench)
{
    struct store *inner = NULL;
    struct status st;
    cr_assert(store_open(bench->address, &inner, &st), "%s", st.message);
    bench->store = trace_new(inner, on_call, bench);
    bench->registry = registry_new(bench->store->identity.epoch);
    cr_assert(committer_recover(bench->store, bench->registry, &st), "%s", st.message);
    struct committer_options options = {.store = bench->store,
                                        .registry = bench->registry,
                                        .listener = {.committed = committed, .settled = settled}};
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
    sem_init(&bench->marked, 0, 0);
    snprintf(bench->address, sizeof bench->address, "sqlite:%s/log.db", bench->folder);
    bench_open(bench);
}

static void bench_fini(struct bench *bench)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    bench_close(bench);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log.db%s", bench->folder, suffixes[i]);
        unlink(path);
    }
    rmdir(bench->folder);
}

/* The reason of the refusal; NULL where it went well. */
static const char *change(struct bench *bench, struct mutation m)
{
    static struct status st;
    AUTO(buf_unref) struct buf *payload = NULL;
    struct waited w;
    if (m.payload == NULL) {
        payload = buf_copy("{\"n\":1}", 7);
        m.payload = payload;
    }
    m.environment = "prod";
    m.expected_epoch = "";
    waited_init(&w, &m, "");
    waited_submit(bench->committer, &w);
    st = w.write.st;
    if (!w.write.ok) {
        return st.reason;
    }
    staged_free(w.write.staged);
    return NULL;
}

static void put(struct bench *bench, const char *service)
{
    struct mutation m = {.kind = MUTATE_UPDATE, .service = service, .allow_missing = true};
    cr_assert_null(change(bench, m));
}

static const char *erase_version(struct bench *bench, const char *service, uint64_t version)
{
    return change(bench,
                  (struct mutation){.kind = MUTATE_DELETE, .service = service, .version = version});
}

static uint64_t revision(const struct bench *bench)
{
    return registry_position(bench->registry).revision;
}

static const char *compact(struct bench *bench, uint64_t floor, uint64_t keep)
{
    return change(
        bench, (struct mutation){
                   .kind = MUTATE_COMPACT, .service = "", .version = floor, .keep_versions = keep});
}

static void wait_compacted(struct bench *bench)
{
    struct status st;
    uint64_t done = 0;
    while (done < registry_compaction(bench->registry).revision) {
        sem_wait(&bench->marked);
        cr_assert(store_get_mark(bench->store, STORE_MARK_COMPACTED, &done, &st));
    }
}

enum kept { KEPT, ERASED, COMPACTED };

static enum kept look(struct bench *bench, const char *service, uint64_t version)
{
    struct version_ref found = {0};
    struct status st;
    cr_assert(store_read_version(bench->store, "prod", service, version, &found, &st), "%s",
              st.message);
    const struct change *c = version_change(&found);
    enum kept kept = c->payload != NULL ? KEPT : c->compacted ? COMPACTED : ERASED;
    commit_unref(found.commit);
    return kept;
}

/* ---- One thing at a time ---- */

Test(compaction, superseded_versions_go_and_heads_stay, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    for (size_t i = 0; i < 5; i++) {
        put(&bench, "a");
    }
    put(&bench, "b");
    uint64_t floor = revision(&bench);
    put(&bench, "a");
    cr_assert_null(compact(&bench, floor, 2));
    cr_assert_eq(registry_floor(bench.registry), floor);
    wait_compacted(&bench);
    static const enum kept a[] = {COMPACTED, COMPACTED, COMPACTED, KEPT, KEPT, KEPT};
    for (uint64_t v = 1; v <= COUNT_OF(a); v++) {
        cr_assert_eq(look(&bench, "a", v), a[v - 1], "version %" PRIu64, v);
    }
    cr_assert_eq(look(&bench, "b", 1), KEPT);
    bench_fini(&bench);
    leak_check();
}

/* All have changed since the floor, so the log tells what they had there. */
Test(compaction, many_configs_are_looked_up_together, .timeout = 240)
{
    struct bench bench;
    char names[STORE_FIND_MAX + 2][16];
    bench_init(&bench);
    for (size_t i = 0; i < 3 * COUNT_OF(names); i++) {
        char *name = names[i % COUNT_OF(names)];
        snprintf(name, sizeof names[0], "s%zu", i % COUNT_OF(names));
        put(&bench, name);
    }
    cr_assert_null(compact(&bench, revision(&bench) - COUNT_OF(names), 1));
    wait_compacted(&bench);
    cr_assert_eq(bench.finds, 2, "a read for each page of configs, not %u", bench.finds);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        cr_assert_eq(look(&bench, names[i], 1), COMPACTED);
        cr_assert_eq(look(&bench, names[i], 2), KEPT);
        cr_assert_eq(look(&bench, names[i], 3), KEPT);
    }
    bench_fini(&bench);
    leak_check();
}

Test(compaction, what_a_deleted_config_had_goes, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    put(&bench, "a");
    put(&bench, "a");
    struct mutation delete = {.kind = MUTATE_DELETE, .service = "a"};
    cr_assert_null(change(&bench, delete));
    put(&bench, "a");
    cr_assert_null(compact(&bench, revision(&bench) - 1, 1));
    wait_compacted(&bench);
    cr_assert_eq(look(&bench, "a", 1), COMPACTED);
    cr_assert_eq(look(&bench, "a", 2), COMPACTED);
    cr_assert_eq(look(&bench, "a", 3), KEPT);
    bench_fini(&bench);
    leak_check();
}

static const char *delete_config(struct bench *bench, const char *service)
{
    return change(bench, (struct mutation){.kind = MUTATE_DELETE, .service = service});
}

static const char *undelete(struct bench *bench, const char *service, uint64_t version)
{
    return change(
        bench, (struct mutation){.kind = MUTATE_UNDELETE, .service = service, .version = version});
}

Test(compaction, what_was_deleted_at_the_floor_cannot_be_undeleted, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    put(&bench, "a");
    put(&bench, "a");
    cr_assert_null(delete_config(&bench, "a"));
    cr_assert_null(compact(&bench, revision(&bench), 5));
    cr_assert_str_eq(undelete(&bench, "a", 0), "PAYLOAD_COMPACTED", "gone or going");
    wait_compacted(&bench);
    cr_assert_str_eq(undelete(&bench, "a", 0), "PAYLOAD_COMPACTED", "gone");
    cr_assert_str_eq(undelete(&bench, "a", 1), "PAYLOAD_COMPACTED");
    put(&bench, "a");
    cr_assert_null(delete_config(&bench, "a"));
    cr_assert_null(undelete(&bench, "a", 0));
    cr_assert_eq(look(&bench, "a", 4), KEPT);
    bench_fini(&bench);
    leak_check();
}

/* Behind the floor it was brought back, and its head may have fallen back on an older version. */
Test(compaction, what_was_undeleted_behind_the_floor_keeps_its_head, .timeout = 240)
{
    static const enum kept fallen[] = {COMPACTED, KEPT, ERASED};
    struct bench bench;
    bench_init(&bench);
    for (size_t i = 0; i < 2; i++) {
        put(&bench, "fallen");
        put(&bench, "risen");
    }
    cr_assert_null(delete_config(&bench, "fallen"));
    cr_assert_null(delete_config(&bench, "risen"));
    uint64_t floor = revision(&bench);
    cr_assert_null(undelete(&bench, "fallen", 0));
    cr_assert_null(erase_version(&bench, "fallen", 3));
    cr_assert_null(undelete(&bench, "risen", 1));
    put(&bench, "risen");
    cr_assert_null(erase_version(&bench, "risen", 4));
    cr_assert_null(compact(&bench, floor, 1));
    wait_compacted(&bench);
    for (uint64_t v = 1; v <= COUNT_OF(fallen); v++) {
        cr_expect_eq(look(&bench, "fallen", v), fallen[v - 1], "version %" PRIu64, v);
    }
    cr_expect_eq(look(&bench, "risen", 2), COMPACTED);
    cr_expect_eq(look(&bench, "risen", 3), KEPT);
    bench_close(&bench);
    bench_open(&bench);
    bench_fini(&bench);
    leak_check();
}

/* The head fell back behind the floor, before the compaction was made. */
Test(compaction, a_head_that_fell_back_stays, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    put(&bench, "a");
    put(&bench, "a");
    put(&bench, "a");
    uint64_t floor = revision(&bench);
    cr_assert_null(erase_version(&bench, "a", 3));
    cr_assert_null(compact(&bench, floor, 1));
    wait_compacted(&bench);
    cr_assert_eq(look(&bench, "a", 1), COMPACTED);
    cr_assert_eq(look(&bench, "a", 2), KEPT);
    cr_assert_eq(look(&bench, "a", 3), ERASED);
    bench_fini(&bench);
    leak_check();
}

Test(compaction, nothing_falls_back_on_what_is_gone, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    put(&bench, "a");
    put(&bench, "a");
    cr_assert_null(compact(&bench, revision(&bench), 1));
    cr_assert_str_eq(erase_version(&bench, "a", 2), "PAYLOAD_COMPACTED", "gone or going");
    wait_compacted(&bench);
    cr_assert_str_eq(erase_version(&bench, "a", 2), "PAYLOAD_COMPACTED", "gone");
    struct mutation back = {.kind = MUTATE_ROLLBACK, .service = "a", .version = 1};
    cr_assert_str_eq(change(&bench, back), "PAYLOAD_COMPACTED");
    put(&bench, "a");
    cr_assert_null(erase_version(&bench, "a", 2), "it is not the head any more");
    cr_assert_null(erase_version(&bench, "a", 1));
    cr_assert_eq(look(&bench, "a", 1), ERASED, "for good, also what was compacted before");
    cr_assert_eq(look(&bench, "a", 3), KEPT);
    bench_fini(&bench);
    leak_check();
}

Test(compaction, the_floor_only_rises, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    for (size_t i = 0; i < 4; i++) {
        put(&bench, "a");
    }
    cr_assert_str_eq(compact(&bench, 5, 1), "REVISION_AHEAD");
    cr_assert_null(compact(&bench, 3, 1));
    uint64_t made = registry_compaction(bench.registry).revision;
    wait_compacted(&bench);
    cr_assert_null(compact(&bench, 2, 1));
    cr_assert_null(compact(&bench, 3, 1));
    cr_assert_eq(registry_compaction(bench.registry).revision, made, "nothing to do");
    cr_assert_eq(registry_floor(bench.registry), 3);
    bench_close(&bench);
    bench_open(&bench);
    cr_assert_eq(registry_floor(bench.registry), 3, "also after a start");
    bench_fini(&bench);
    leak_check();
}

/* The one before is not finished: what it lets go of must not depend on the next one. */
Test(compaction, one_at_a_time, .timeout = 240)
{
    struct bench bench;
    bench_init(&bench);
    put(&bench, "a");
    put(&bench, "a");
    trace_fail(bench.store, 0, 0, TRACE_FAIL_BEFORE);
    cr_assert_null(compact(&bench, 1, 1));
    wait_compacted(&bench);
    put(&bench, "a");
    bench_close(&bench);
    bench_open(&bench);
    cr_assert_null(compact(&bench, 3, 1));
    trace_fail(bench.store, trace_calls(bench.store), UINT32_MAX, TRACE_FAIL_BEFORE);
    bench_close(&bench); /* died before it was finished, perhaps */
    bench_open(&bench);
    wait_compacted(&bench);
    cr_assert_eq(look(&bench, "a", 1), COMPACTED);
    cr_assert_eq(look(&bench, "a", 2), KEPT, "the head at the floor");
    bench_fini(&bench);
    leak_check();
}

/* 150 MB are written; the write-ahead log is begun anew meanwhile. */
Test(compaction, the_write_ahead_log_stays_small_under_constant_writes, .timeout = 240)
{
    struct bench bench;
    struct stat log;
    char path[160];
    bench_init(&bench);
    AUTO(buf_unref) struct buf *large = buf_new(100000);
    memset(large->data, ' ', large->len);
    memcpy(large->data, "{}", 2);
    for (size_t i = 0; i < 1500; i++) {
        cr_assert_null(change(&bench, (struct mutation){.kind = MUTATE_UPDATE,
                                                        .service = "a",
                                                        .payload = large,
                                                        .allow_missing = true}));
    }
    snprintf(path, sizeof path, "%s/log.db-wal", bench.folder);
    cr_assert_eq(stat(path, &log), 0);
    cr_assert_lt(log.st_size, 100000000);
    bench_close(&bench);
    bench_open(&bench);
    bench_fini(&bench);
}

Test(compaction, the_file_becomes_smaller, .timeout = 240)
{
    struct bench bench;
    struct stat before;
    struct stat after;
    char path[160];
    bench_init(&bench);
    AUTO(buf_unref) struct buf *large = buf_new(100000);
    memset(large->data, ' ', large->len);
    memcpy(large->data, "{}", 2);
    for (size_t i = 0; i < 100; i++) {
        cr_assert_null(change(&bench, (struct mutation){.kind = MUTATE_UPDATE,
                                                        .service = "a",
                                                        .payload = large,
                                                        .allow_missing = true}));
    }
    bench_close(&bench);
    snprintf(path, sizeof path, "%s/log.db", bench.folder);
    cr_assert_eq(stat(path, &before), 0);
    bench_open(&bench);
    cr_assert_null(compact(&bench, revision(&bench), 1));
    wait_compacted(&bench);
    bench_close(&bench);
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_lt(after.st_size, before.st_size / 2, "%ld of %ld bytes are left",
                 (long)after.st_size, (long)before.st_size);
    bench_open(&bench);
    bench_fini(&bench);
    leak_check();
}

/* ---- Random histories against a model ---- */

struct model {
    enum kept versions[SERVICES][MOST_VERSIONS];
    uint64_t revisions[SERVICES][MOST_VERSIONS]; /* that brought them */
};

struct reading {
    struct model *model;
    struct commit *commits[4000];
    size_t n;
};

static bool keep(void *user, struct commit *commit)
{
    struct reading *reading = user;
    reading->commits[reading->n++] = commit_ref(commit);
    return true;
}

static size_t number_of(const struct change *c)
{
    return (size_t)(c->service[1] - '0');
}

/* The head of a config as of a revision, by going through the log. */
static uint64_t head_at(const struct reading *r, size_t service, uint64_t last, uint64_t *ret_last)
{
    uint64_t head = 0;
    *ret_last = 0;
    for (size_t i = 0; i < r->n && r->commits[i]->revision <= last; i++) {
        const struct change *c = &r->commits[i]->changes[0];
        if (!change_has_config(c->kind) || number_of(c) != service) {
            continue;
        }
        head = c->head_version;
        *ret_last = change_brings_version(c->kind) ? c->version : *ret_last;
    }
    return head;
}

static void take_compaction(struct reading *r, const struct commit *commit)
{
    const struct change *c = &commit->changes[0];
    for (size_t s = 0; s < SERVICES; s++) {
        uint64_t last;
        uint64_t ignored;
        uint64_t then = head_at(r, s, c->version, &last);
        uint64_t now = head_at(r, s, commit->revision, &ignored);
        for (uint64_t v = 1; v <= last; v++) {
            bool kept_then = then != 0 && v + c->source_version > then;
            bool kept_now = now != 0 && v + c->source_version > now;
            if (!kept_then && !kept_now && r->model->versions[s][v] == KEPT) {
                r->model->versions[s][v] = COMPACTED;
            }
        }
    }
}

static void take_erase(struct model *model, const struct change *c)
{
    uint64_t first = c->version != 0 ? c->version : 1;
    uint64_t last = c->version != 0 ? c->version : c->source_version;
    for (uint64_t v = first; v <= last; v++) {
        model->versions[number_of(c)][v] = ERASED;
    }
}

static void check_against_model(struct bench *bench)
{
    struct model *model = mem_zalloc(sizeof *model);
    struct reading *r = mem_zalloc(sizeof *r);
    struct status st;
    r->model = model;
    cr_assert(store_read_commits(bench->store, 1, UINT64_MAX, true, keep, r, &st), "%s",
              st.message);
    for (size_t i = 0; i < r->n; i++) {
        const struct change *c = &r->commits[i]->changes[0];
        if (c->kind == CHANGE_COMPACT) {
            take_compaction(r, r->commits[i]);
        } else if (c->kind == CHANGE_ERASE) {
            take_erase(model, c);
        }
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct change *c = &r->commits[i]->changes[0];
        if (change_brings_version(c->kind)) {
            cr_assert_eq(
                look(bench, c->service, c->version), model->versions[number_of(c)][c->version],
                "version %" PRIu64 " of %s of revision %zu", c->version, c->service, i + 1);
        }
        commit_unref(r->commits[i]);
    }
    free(r);
    free(model);
}

static void step(struct bench *bench, struct random *random)
{
    char service[8];
    snprintf(service, sizeof service, "s%zu", random_below(random, SERVICES));
    AUTO(head_unref) struct head *head = registry_get(bench->registry, "prod", service);
    uint64_t version = head == NULL ? 0 : head->version;
    size_t dice = random_below(random, 100);
    bool deleted = head != NULL && version == 0;
    if (deleted && random_percent(random, 50)) {
        undelete(bench, service, random_below(random, head->last_version + 1)); /* if it is there */
    } else if (dice < 60 || version == 0) {
        put(bench, service);
    } else if (dice < 75) {
        erase_version(bench, service, version); /* refused where nothing is left to fall back on */
    } else if (dice < 85) {
        erase_version(bench, service, 1 + random_below(random, version));
    } else if (dice < 92) {
        struct mutation m = {
            .kind = MUTATE_DELETE, .service = service, .erase = random_percent(random, 30)};
        cr_assert_null(change(bench, m));
    } else {
        wait_compacted(bench);
        cr_assert_null(
            compact(bench, random_below(random, revision(bench) + 1), 1 + random_below(random, 3)));
    }
}

Test(compaction, random_histories, .timeout = 240)
{
    for (uint64_t round = 0; round < 6; round++) {
        struct random random = {random_seed() + round};
        struct bench bench;
        bench_init(&bench);
        for (size_t i = 0; i < 150; i++) {
            step(&bench, &random);
        }
        wait_compacted(&bench);
        check_against_model(&bench);
        uint64_t floor = registry_floor(bench.registry);
        bench_close(&bench);
        bench_open(&bench);
        cr_assert_eq(registry_floor(bench.registry), floor);
        for (size_t s = 0; s < SERVICES; s++) {
            char service[8];
            snprintf(service, sizeof service, "s%zu", s);
            AUTO(head_unref) struct head *head = registry_get(bench.registry, "prod", service);
            cr_assert(head == NULL || head->version == 0 || head->payload_size > 0);
        }
        bench_fini(&bench);
    }
    leak_check();
}
