/* The committer under many submitters, over a store that fails now and then, with readers of
 * registry and store meanwhile. What was acknowledged must be in the log, once, under the version
 * that was answered; what was refused must not. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "committer.h"
#include "random.h"
#include "store_open.h"
#include "stress.h"
#include "trace.h"

#define SUBMITTERS 8
#define READERS 2
#define WRITES 150
#define CONFIGS 12
#define AT_ONCE 4 /* writes of a submitter that wait together */

struct world {
    struct store *store;
    struct registry *registry;
    struct committer *committer;
    atomic_uint_fast64_t announced; /* the last revision that the listener was told of */
    struct tally finished;
    atomic_uint_fast64_t acknowledged;
    atomic_bool over;
};

/* ---- The listener ---- */

static void committed(void *user, const struct staged *staged)
{
    struct world *world = user;
    uint64_t before = atomic_fetch_add(&world->announced, 1);
    CHECK(staged->commit->revision == before + 1, "%lu after %lu", staged->commit->revision,
          before);
}

static void settled(void *user, const struct position *position, bool own)
{
    (void)own;
    struct world *world = user;
    CHECK(position->revision == atomic_load(&world->announced), "settled at another revision");
}

/* ---- Submitters ---- */

struct submission {
    struct write write;
    struct world *world;
    struct mutation mutation;
    char service[16];
    char request_id[24];
    uint64_t tries;
    struct tally *ended;
};

static void check_end(const struct submission *s)
{
    const struct write *write = &s->write;
    if (write->ok) {
        const struct commit *commit = write->staged->commit;
        CHECK(commit->n_changes == 1 && strcmp(commit->changes[0].service, s->service) == 0,
              "another write's commit");
        CHECK(write->validate_only || write->position.revision >= commit->revision,
              "answered before it was visible");
        return;
    }
    switch (write->st.code) {
    case STATUS_DEADLINE_EXCEEDED:
    case STATUS_UNAVAILABLE:
    case STATUS_RESOURCE_EXHAUSTED:
    case STATUS_ABORTED:
        break;
    default:
        CHECK(false, "%s: %s", status_code_name(write->st.code), write->st.message);
    }
}

static void done(struct write *write)
{
    struct submission *s = CONTAINER_OF(write, struct submission, write);
    check_end(s);
    tally_add(&s->world->finished, 1);
    tally_add(s->ended, 1); /* from here on it is the submitter's again */
}

static void prepare(struct submission *s, struct random *random, struct buf *payload)
{
    snprintf(s->service, sizeof s->service, "c%zu", random_below(random, CONFIGS));
    s->request_id[0] = '\0';
    if (random_percent(random, 30)) {
        snprintf(s->request_id, sizeof s->request_id, "%016lx", random_next(random));
    }
    s->mutation = (struct mutation){
        .kind = MUTATE_UPDATE,
        .environment = "prod",
        .service = s->service,
        .payload = payload,
        .allow_missing = true,
        .expected_epoch = "",
        .expected_version = random_percent(random, 10) ? random_below(random, 100) + 1 : 0,
    };
    s->write = (struct write){
        .validate_only = random_percent(random, 10),
        .bytes = payload->len,
        .deadline_ns = random_percent(random, 10) ? clock_monotonic_ns() : INT64_MAX,
        .done = done,
    };
    s->write.command = (struct command){
        .actor = "",
        .credential = "",
        .method = "",
        .peer = "",
        .comment = "",
        .request_id = s->request_id,
        .fingerprint = hash_bytes(s->request_id, strlen(s->request_id)),
        .mutations = &s->mutation,
        .n_mutations = 1,
        .limits = {1 << 20, 64},
    };
}

static void take_result(struct submission *s)
{
    if (s->write.ok && !s->write.validate_only) {
        atomic_fetch_add(&s->world->acknowledged, 1);
    }
    staged_free(MOVE(s->write.staged));
}

static void *submit(void *argument)
{
    struct world *world = argument;
    static atomic_uint number;
    struct random random = {random_seed() + atomic_fetch_add(&number, 1)};
    struct submission submissions[AT_ONCE] = {0};
    struct tally ended = TALLY_INIT;
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"a\":1}", 7);
    for (uint64_t n = 0; n < WRITES; n += AT_ONCE) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            submissions[i].world = world;
            submissions[i].ended = &ended;
            prepare(&submissions[i], &random, payload);
            committer_submit(world->committer, &submissions[i].write);
        }
        tally_wait(&ended, n + AT_ONCE);
        for (size_t i = 0; i < AT_ONCE; i++) {
            take_result(&submissions[i]);
        }
    }
    return NULL;
}

/* ---- Who looks on ---- */

struct synced {
    struct sync sync;
    struct tally done;
};

static void look_at_registry(struct world *world)
{
    static const struct head_filter everything;
    struct head_cursor cursor = {0};
    struct head *heads[CONFIGS];
    size_t n = 0;
    while (!cursor.done) {
        n = registry_list(world->registry, &everything, &cursor, heads, CONFIGS);
        struct position now = registry_position(world->registry);
        for (size_t i = 0; i < n; i++) {
            CHECK(heads[i]->mod_revision <= now.revision, "a head of the future");
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
}

static bool check_version(void *user, const struct version_ref *version)
{
    uint64_t *next = user;
    CHECK(version_change(version)->version == *next, "version %lu, not %lu",
          version_change(version)->version, *next);
    (*next)--;
    return true;
}

static void look_at_store(struct world *world, struct random *random)
{
    char service[16];
    struct status st;
    snprintf(service, sizeof service, "c%zu", random_below(random, CONFIGS));
    AUTO(head_unref) struct head *head = registry_get(world->registry, "prod", service);
    if (head != NULL) {
        uint64_t next = head->version;
        /* The store may be failing on purpose. */
        bool read = store_read_versions(world->store, "prod", service, next, 1, true, check_version,
                                        &next, &st);
        CHECK(!read || next == 0, "versions up to %lu are missing", next);
    }
}

static void count_sync(struct sync *sync)
{
    struct synced *synced = CONTAINER_OF(sync, struct synced, sync);
    tally_add(&synced->done, 1);
}

/* Checks that a sync waits for all commits announced before it. The store may be failing on
 * purpose. */
static void look_at_end(struct world *world)
{
    struct synced synced = {.sync.done = count_sync, .done = TALLY_INIT};
    uint64_t before = atomic_load(&world->announced);
    committer_sync(world->committer, &synced.sync);
    tally_wait(&synced.done, 1);
    CHECK(!synced.sync.ok || registry_position(world->registry).revision >= before,
          "told before it was so");
}

static void *look_on(void *argument)
{
    struct world *world = argument;
    char reason[256];
    struct random random = {random_seed()};
    while (!atomic_load(&world->over)) {
        look_at_registry(world);
        look_at_store(world, &random);
        look_at_end(world);
        committer_writable(world->committer, reason);
    }
    return NULL;
}

/* Lets a few calls of the store fail, again and again, as writes end. */
static void disturb(struct world *world)
{
    struct random random = {random_seed()};
    const uint64_t all = SUBMITTERS * ((WRITES + AT_ONCE - 1) / AT_ONCE) * AT_ONCE;
    for (uint64_t at = 40; at < all; at += 40) {
        tally_wait(&world->finished, at);
        trace_fail(world->store, trace_calls(world->store), random_below(&random, 4),
                   random_percent(&random, 50) ? TRACE_FAIL_BEFORE : TRACE_FAIL_AFTER);
    }
}

/* ---- The end ---- */

static bool count_commit(void *user, struct commit *commit)
{
    (void)commit;
    ++*(uint64_t *)user;
    return true;
}

/* The log is as long as what was announced. A write in doubt may be in it without having been
 * acknowledged, and no other. */
static void check_log(const char *address, uint64_t announced, uint64_t acknowledged)
{
    AUTO(store_close) struct store *store = NULL;
    struct status st;
    uint64_t n = 0;
    CHECK(store_open(address, &store, &st), "%s", st.message);
    AUTO(registry_free) struct registry *registry = registry_new(store->identity.epoch);
    CHECK(committer_recover(store, registry, &st), "%s", st.message);
    CHECK(store_read_commits(store, 1, UINT64_MAX, true, count_commit, &n, &st), "%s", st.message);
    CHECK(n == registry_position(registry).revision, "heads and log differ");
    CHECK(n >= announced && announced >= acknowledged,
          "%lu in the log, %lu announced, %lu "
          "acknowledged",
          n, announced, acknowledged);
    CHECK(acknowledged > SUBMITTERS * WRITES / 4, "only %lu writes succeeded", acknowledged);
}

static void run(const char *address)
{
    struct world world = {.finished = TALLY_INIT};
    struct store *inner = NULL;
    struct status st;
    CHECK(store_open(address, &inner, &st), "%s", st.message);
    world.store = trace_new(inner, NULL, NULL);
    world.registry = registry_new(world.store->identity.epoch);
    CHECK(committer_recover(world.store, world.registry, &st), "%s", st.message);
    struct committer_options options = {
        .store = world.store,
        .registry = world.registry,
        .listener = {.committed = committed, .settled = settled, .user = &world},
        .max_waiting = SUBMITTERS * AT_ONCE - 4,
    };
    world.committer = committer_new(&options);
    pthread_t submitters[SUBMITTERS];
    pthread_t readers[READERS];
    for (size_t i = 0; i < SUBMITTERS; i++) {
        CHECK(pthread_create(&submitters[i], NULL, submit, &world) == 0, "no thread");
    }
    for (size_t i = 0; i < READERS; i++) {
        CHECK(pthread_create(&readers[i], NULL, look_on, &world) == 0, "no thread");
    }
    disturb(&world);
    for (size_t i = 0; i < SUBMITTERS; i++) {
        pthread_join(submitters[i], NULL);
    }
    atomic_store(&world.over, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    committer_free(world.committer);
    uint64_t announced = atomic_load(&world.announced);
    registry_free(world.registry);
    store_close(world.store);
    if (strncmp(address, "memory:", 7) != 0) {
        check_log(address, announced, atomic_load(&world.acknowledged));
    }
    printf("%s: %lu acknowledged\n", address, atomic_load(&world.acknowledged));
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"log.db", "log.db-wal", "log.db-shm"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    char folder[] = "/tmp/confreg-stress-XXXXXX";
    char address[64];
    CHECK(mkdtemp(folder) != NULL, "no folder in /tmp");
    snprintf(address, sizeof address, "sqlite:%s/log.db", folder);
    run(address);
    remove_folder(folder);
    run("memory:");
    run("memory:shared");
    return 0;
}
