/* Several nodes over one log, raced by writers. Afterwards the log is compared with what the
 * writers were told. */
#include <assert.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

#include "commit_node.h"
#include "leak_check.h"
#include "random.h"

#define WRITERS 4 /* a node */
#define WRITES 60 /* a writer */
#define SERVICES 5
#define MOST_COMMITS 10000

/* An acknowledged write. */
struct told {
    struct hash hash;
    uint64_t revision;
    uint64_t expected_version;
    uint64_t version;
    uint64_t position;
};

struct world {
    char address[48];
    struct node nodes[NODES];
    bool shaking; /* stores fail now and then */
    pthread_mutex_t lock;
    struct told told[MOST_COMMITS];
    size_t n_told;
};

static void world_open(struct world *world, const char *name)
{
    *world = (struct world){.lock = PTHREAD_MUTEX_INITIALIZER};
    snprintf(world->address, sizeof world->address, "memory:%s", name);
    nodes_open(world->nodes, world->address);
}

/* ---- Races ---- */

struct writer {
    struct world *world;
    struct random random;
    unsigned number;
};

/* Writes and, if the write succeeds, adds it to world->told. A write with an id is repeated, each
 * time at another node, until its outcome is known. */
static void insist(struct writer *writer, const struct request *r)
{
    struct world *world = writer->world;
    struct waited w;
    struct staged *staged;
    do {
        struct node *node = &world->nodes[random_below(&writer->random, NODES)];
        staged = write_one(node, r, &w);
    } while (staged == NULL && w.write.st.code == STATUS_UNAVAILABLE && r->id[0] != '\0');
    if (staged == NULL) {
        assert(w.write.st.code != STATUS_INTERNAL && w.write.st.code != STATUS_DATA_LOSS);
        return;
    }
    if (staged->commit == NULL) { /* a compaction that had nothing to do */
        staged_free(staged);
        return;
    }
    pthread_mutex_lock(&world->lock);
    world->told[world->n_told++] = (struct told){.hash = staged->commit->hash,
                                                 .revision = staged->commit->revision,
                                                 .expected_version = r->expected_version,
                                                 .version = staged->commit->changes[0].version,
                                                 .position = w.write.position.revision};
    pthread_mutex_unlock(&world->lock);
    staged_free(staged);
}

static struct request draw(struct writer *writer, char service[8])
{
    static const enum mutation_kind kinds[] = {MUTATE_CREATE,   MUTATE_UPDATE,  MUTATE_UPDATE,
                                               MUTATE_UPDATE,   MUTATE_DELETE,  MUTATE_ROLLBACK,
                                               MUTATE_UNDELETE, MUTATE_UNDELETE};
    struct random *random = &writer->random;
    const struct registry *registry = writer->world->nodes[random_below(random, NODES)].registry;
    snprintf(service, 8, "s%zu", random_below(random, SERVICES));
    struct request r = {.kind = kinds[random_below(random, COUNT_OF(kinds))], .service = service};
    AUTO(head_unref) struct head *head = registry_get(registry, "prod", service);
    uint64_t version = head == NULL ? 0 : head->version;
    r.allow_missing = r.kind == MUTATE_UPDATE && random_percent(random, 50);
    if (r.kind != MUTATE_CREATE && r.kind != MUTATE_UNDELETE && random_percent(random, 50)) {
        r.expected_version = version;
    }
    if (random_percent(random, 5)) {
        uint64_t revision = registry_position(registry).revision;
        r = (struct request){.kind = MUTATE_COMPACT,
                             .service = service,
                             .version = random_below(random, revision + 1),
                             .keep_versions = 1 + random_below(random, 3)};
        return r;
    }
    bool one_version = r.kind == MUTATE_DELETE && random_percent(random, 70);
    if (r.kind == MUTATE_ROLLBACK || one_version) {
        r.version = version == 0 ? 1 : 1 + random_below(random, version);
    }
    if (r.kind == MUTATE_UNDELETE && head != NULL) {
        r.version = random_below(random, head->last_version + 1);
    }
    return r;
}

static void fail_soon(struct random *random, struct store *store)
{
    trace_fail(store, trace_calls(store) + random_below(random, 10), 1 + random_below(random, 3),
               random_percent(random, 60) ? TRACE_FAIL_AFTER : TRACE_FAIL_BEFORE);
}

static void doubt_soon(struct random *random, struct store *store)
{
    struct trace_doubt doubt = {
        .landed = random_percent(random, 50) ? SIZE_MAX : random_below(random, 3),
        .calls = random_below(random, 6),
        .holds_place = random_percent(random, 50),
    };
    trace_doubt_next(store, &doubt);
}

/* A few calls of some node's store fail, an append ends in doubt, or reads lag. */
static void shake(struct writer *writer)
{
    struct random *random = &writer->random;
    struct store *store = writer->world->nodes[random_below(random, NODES)].store;
    switch (random_below(random, 3)) {
    case 0:
        fail_soon(random, store);
        break;
    case 1:
        doubt_soon(random, store);
        break;
    default:
        trace_lag(store, 1 + random_below(random, 3), 1 + random_below(random, 5));
    }
}

static void *write_many(void *argument)
{
    struct writer *writer = argument;
    for (unsigned i = 0; i < WRITES; i++) {
        char service[8];
        char tag[32];
        struct request r = draw(writer, service);
        if (writer->world->shaking && random_percent(&writer->random, 20)) {
            shake(writer);
        }
        snprintf(tag, sizeof tag, "%u-%u", writer->number, i);
        r.tag = tag;
        r.id = random_percent(&writer->random, 50) ? tag : "";
        insist(writer, &r);
        if (r.id[0] != '\0' && random_percent(&writer->random, 20)) {
            insist(writer, &r);
        }
    }
    return NULL;
}

static void race(struct world *world, uint64_t seed, bool shaken)
{
    pthread_t threads[NODES * WRITERS];
    struct writer writers[NODES * WRITERS];
    world->shaking = shaken;
    for (unsigned i = 0; i < NODES * WRITERS; i++) {
        writers[i] = (struct writer){world, {seed + i * 7919}, i};
        pthread_create(&threads[i], NULL, write_many, &writers[i]);
    }
    for (size_t i = 0; i < NODES * WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < NODES; i++) {
        trace_fail(world->nodes[i].store, 0, 0, TRACE_FAIL_BEFORE);
        trace_lag(world->nodes[i].store, 0, 0);
    }
}

/* ---- What the log says ---- */

struct log {
    struct commit *commits[MOST_COMMITS];
    size_t n;
};

static bool keep_commit(void *user, struct commit *commit)
{
    struct log *log = user;
    cr_assert_lt(log->n, MOST_COMMITS);
    log->commits[log->n++] = commit_ref(commit);
    return true;
}

static void check_told(const struct world *world, const struct log *log)
{
    for (size_t i = 0; i < world->n_told; i++) {
        const struct told *told = &world->told[i];
        cr_assert(told->revision >= 1 && told->revision <= log->n, "acknowledged, and not there");
        const struct commit *commit = log->commits[told->revision - 1];
        cr_assert(hash_equal(&commit->hash, &told->hash), "revision %" PRIu64, told->revision);
        cr_assert_geq(told->position, told->revision);
        if (told->expected_version != 0) {
            cr_assert_eq(commit->changes[0].previous_version, told->expected_version,
                         "an update was lost at revision %" PRIu64, told->revision);
        }
    }
}

/* Each write is in the log once, whatever its callers were told. */
static void check_once(const struct log *log)
{
    for (size_t i = 0; i < log->n; i++) {
        for (size_t k = 0; k < i; k++) {
            cr_assert_str_neq(log->commits[i]->comment, log->commits[k]->comment);
        }
    }
}

static void check_versions(const struct log *log)
{
    uint64_t last[SERVICES] = {0};
    for (size_t i = 0; i < log->n; i++) {
        const struct change *change = &log->commits[i]->changes[0];
        if (!change_has_config(change->kind)) {
            continue;
        }
        uint64_t *version = &last[change->service[1] - '0'];
        if (change_brings_version(change->kind)) {
            cr_assert_eq(change->version, *version + 1, "a version is given once, in order");
            *version = change->version;
        }
    }
}

static void check_same_heads(const struct registry *a, const struct registry *b)
{
    cr_assert_eq(registry_position(a).revision, registry_position(b).revision);
    cr_assert_eq(registry_floor(a), registry_floor(b));
    for (size_t i = 0; i < SERVICES; i++) {
        char service[8];
        snprintf(service, sizeof service, "s%zu", i);
        AUTO(head_unref) struct head *x = registry_get(a, "prod", service);
        AUTO(head_unref) struct head *y = registry_get(b, "prod", service);
        cr_assert_eq(x == NULL, y == NULL);
        if (x != NULL) {
            cr_assert_eq(x->version, y->version);
            cr_assert(x->version == 0 || (x->payload_size > 0 && y->payload_size > 0),
                      "no compaction takes a head's payload");
            cr_assert_eq(x->last_version, y->last_version);
            cr_assert_eq(x->mod_revision, y->mod_revision);
            cr_assert_eq(x->row_revision, y->row_revision);
            cr_assert_eq(x->first_live_version, y->first_live_version);
            cr_assert_eq(x->first_kept_version, y->first_kept_version);
            cr_assert_eq(x->holes.n, y->holes.n);
        }
    }
}

static void check_world(struct world *world)
{
    struct status st;
    struct log *log = mem_zalloc(sizeof *log);
    struct node fresh = {0};
    for (size_t i = 0; i < NODES; i++) {
        cr_assert(wait_sync(world->nodes[i].committer, &st), "%s", st.message);
        cr_assert_eq(world->nodes[i].diverged, 0);
    }
    cr_assert(store_read_commits(world->nodes[0].store, 1, UINT64_MAX, true, keep_commit, log, &st),
              "%s", st.message);
    check_told(world, log);
    check_once(log);
    check_versions(log);
    node_open(&fresh, world->address);
    for (size_t i = 0; i < NODES; i++) {
        check_same_heads(world->nodes[i].registry, fresh.registry);
        cr_assert_eq(world->nodes[i].announced, log->n);
    }
    node_close(&fresh);
    for (size_t i = 0; i < log->n; i++) {
        commit_unref(log->commits[i]);
    }
    free(log);
}

static void race_with(const char *name, size_t rounds, bool shaken)
{
    for (size_t i = 0; i < rounds; i++) {
        struct world *world = mem_zalloc(sizeof *world);
        world_open(world, name);
        race(world, random_seed() + i, shaken);
        check_world(world);
        nodes_close(world->nodes);
        free(world);
    }
    leak_check();
}

Test(races, race_on_the_same_configs, .timeout = 240)
{
    race_with("race", 10, false);
}

Test(races, race_while_calls_fail_and_answers_are_lost, .timeout = 240)
{
    race_with("shaken", 10, true);
}
