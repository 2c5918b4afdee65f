/* Upkeep beside a writer: commits come, some erase or compact, while heads are saved, payloads are
 * scrubbed and dropped, and calls of the store fail now and then. At the end the store's copy is
 * what the registry holds, and everybody who waited was told. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "committer.h"
#include "history.h"
#include "random.h"
#include "store_open.h"
#include "stress.h"
#include "trace.h"

#define CONFIGS 600

struct world {
    struct store *store;
    struct registry *registry;
    struct upkeep *upkeep;
    struct tally told; /* waits that were answered */
    uint64_t waits;
    atomic_uint_fast64_t floor; /* that the policy wants; 0: none */
    atomic_bool over;
};

static void compact(void *user, uint64_t floor, uint64_t keep_versions)
{
    struct world *world = user;
    CHECK(keep_versions == 1, "%lu", keep_versions);
    atomic_store(&world->floor, floor);
}

/* ---- The writer, in the committer's place ---- */

/* NULL where the registry or the store refuses it. */
static struct staged *write_one(struct world *world, const struct mutation *m)
{
    struct command command = {.actor = "",
                              .credential = "",
                              .method = "",
                              .peer = "",
                              .comment = "",
                              .request_id = "",
                              .mutations = m,
                              .n_mutations = 1,
                              .limits = {1 << 20, 64},
                              .now_us = clock_wall_us()};
    struct version_source source = history_source(world->store);
    struct staged *staged = NULL;
    struct status st;
    if (!registry_stage(world->registry, &command, &source, &staged, &st)) {
        return NULL;
    }
    if (staged->commit == NULL) {
        staged_free(staged);
        return NULL;
    }
    registry_accept(world->registry, staged);
    if (!store_append(world->store, &staged->commit, 1, &st)) {
        registry_discard(world->registry);
        staged_free(staged);
        return NULL;
    }
    registry_apply(world->registry);
    return staged;
}

struct told_wait {
    struct scrub_wait wait;
    struct world *world;
};

static void told(struct scrub_wait *wait)
{
    struct told_wait *t = CONTAINER_OF(wait, struct told_wait, wait);
    tally_add(&t->world->told, 1);
    free(t);
}

static void wait_scrubbed(struct world *world)
{
    struct told_wait *t = mem_zalloc(sizeof *t);
    *t = (struct told_wait){.wait.done = told, .world = world};
    world->waits++;
    upkeep_wait_scrubbed(world->upkeep, &t->wait);
}

static struct mutation choose(struct world *world, struct random *random, const char *service,
                              struct buf *payload)
{
    uint64_t floor = atomic_exchange(&world->floor, 0);
    if (floor != 0) {
        return (struct mutation){.kind = MUTATE_COMPACT,
                                 .environment = "",
                                 .service = "",
                                 .version = floor,
                                 .keep_versions = 1,
                                 .expected_epoch = ""};
    }
    bool erases = random_percent(random, 1);
    return (struct mutation){.kind = erases ? MUTATE_DELETE : MUTATE_UPDATE,
                             .environment = "prod",
                             .service = service,
                             .payload = payload,
                             .erase = erases,
                             .allow_missing = true,
                             .expected_epoch = ""};
}

static void write_all(struct world *world, size_t n)
{
    struct random random = {random_seed()};
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"a\":1}", 7);
    for (size_t i = 0; i < n; i++) {
        char service[16];
        snprintf(service, sizeof service, "c%zu", random_below(&random, CONFIGS));
        struct mutation m = choose(world, &random, service, payload);
        struct staged *staged = write_one(world, &m);
        if (staged != NULL) {
            upkeep_note(world->upkeep, staged, true);
            staged_free(staged);
        }
        if (m.erase) {
            wait_scrubbed(world);
        }
        if (i % 500 == 0) {
            trace_fail(world->store, trace_calls(world->store) + random_below(&random, 100), 2,
                       TRACE_FAIL_BEFORE);
        }
    }
    trace_fail(world->store, 0, 0, TRACE_FAIL_BEFORE);
}

/* ---- A reader of the registry meanwhile, as calls are ---- */

static void *look_on(void *argument)
{
    static const struct head_filter everything;
    struct world *world = argument;
    while (!atomic_load(&world->over)) {
        struct head_cursor cursor = {.done = false};
        while (!cursor.done) {
            struct head *heads[256];
            size_t n = registry_list(world->registry, &everything, &cursor, heads, 256);
            for (size_t i = 0; i < n; i++) {
                head_unref(heads[i]);
            }
        }
        str_fini(&cursor.after);
    }
    return NULL;
}

/* ---- The end ---- */

static bool count_commit(void *user, struct commit *commit)
{
    (void)commit;
    ++*(uint64_t *)user;
    return true;
}

/* Checks that a start, from the saved heads and the log after them, gives the registry's state, and
 * that it reads little of the log. */
static void check_copy(struct world *world)
{
    struct status st;
    uint64_t marked = 0;
    uint64_t behind = 0;
    AUTO(registry_free) struct registry *copy = registry_new(world->store->identity.epoch);
    CHECK(committer_recover(world->store, copy, &st), "%s", st.message);
    CHECK(registry_position(copy).revision == registry_position(world->registry).revision,
          "another revision");
    for (size_t i = 0; i < CONFIGS; i++) {
        char service[16];
        snprintf(service, sizeof service, "c%zu", i);
        AUTO(head_unref) struct head *want = registry_get(world->registry, "prod", service);
        AUTO(head_unref) struct head *got = registry_get(copy, "prod", service);
        CHECK((want == NULL) == (got == NULL), "%s", service);
        CHECK(want == NULL ||
                  (want->version == got->version && want->mod_revision == got->mod_revision &&
                   want->last_version == got->last_version),
              "%s is at version %lu, not %lu", service, got->version, want->version);
    }
    CHECK(store_get_mark(world->store, STORE_MARK_HEADS, &marked, &st), "%s", st.message);
    CHECK(
        store_read_commits(world->store, marked + 1, UINT64_MAX, false, count_commit, &behind, &st),
        "%s", st.message);
    CHECK(!world->store->has_wal || behind == 0, "%lu commits are not in the copy", behind);
}

static void run(const char *address, size_t n)
{
    struct world world = {.told = TALLY_INIT};
    struct store *inner = NULL;
    struct status st;
    pthread_t reader;
    CHECK(store_open(address, &inner, &st), "%s", st.message);
    world.store = trace_new(inner, NULL, NULL);
    world.registry = registry_new(world.store->identity.epoch);
    struct upkeep_options options = {
        .store = world.store,
        .registry = world.registry,
        .policy = {.keep_versions = 1, .interval_us = 20000},
        .compact = compact,
        .user = &world,
    };
    world.upkeep = upkeep_new(&options);
    CHECK(pthread_create(&reader, NULL, look_on, &world) == 0, "no thread");
    write_all(&world, n);
    atomic_store(&world.over, true);
    pthread_join(reader, NULL);
    upkeep_stop(world.upkeep);
    CHECK(tally_get(&world.told) == world.waits, "%lu of %lu were told", tally_get(&world.told),
          world.waits);
    upkeep_free(world.upkeep);
    check_copy(&world);
    printf("%s: revision %lu, floor %lu\n", address, registry_position(world.registry).revision,
           registry_floor(world.registry));
    registry_free(world.registry);
    store_close(world.store);
}

int main(void)
{
    char folder[] = "/tmp/confreg-stress-XXXXXX";
    char command[64];
    char address[64];
    CHECK(mkdtemp(folder) != NULL, "no folder in /tmp");
    snprintf(address, sizeof address, "sqlite:%s/log.db", folder);
    run(address, 1000); /* each is made durable */
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0, "the folder stays");
    run("memory:", 20000);
    return 0;
}
