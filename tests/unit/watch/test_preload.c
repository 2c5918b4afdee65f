#include <criterion/criterion.h>
#include <sched.h>
#include <semaphore.h>

#include "leak_check.h"
#include "store_open.h"
#include "watch.h"

/* A log of so many commits on one config, and a hub that starts with it. */
struct world {
    struct store *store;
    struct registry *registry;
    struct hub *hub;
    struct position end;
};

static void append(struct world *world, uint64_t version)
{
    AUTO(commit_unref) struct commit *commit = commit_new(1);
    struct change *change = &commit->changes[0];
    struct status st;
    commit->revision = world->end.revision + 1;
    commit->previous_hash = world->end.hash;
    change->kind = version == 1 ? CHANGE_CREATE : CHANGE_UPDATE;
    change->environment = mem_string("prod");
    change->service = mem_string("billing");
    change->version = change->head_version = version;
    change->previous_version = version - 1;
    change->payload = buf_copy("{\"a\":1}", 7);
    commit_seal(commit, world->store->identity.epoch);
    cr_assert(store_append(world->store, &commit, 1, &st), "%s", st.message);
    world->end = (struct position){commit->revision, commit->hash};
}

static void store_init(struct world *world, uint64_t commits)
{
    struct status st;
    *world = (struct world){0};
    cr_assert(store_open("memory:", &world->store, &st), "%s", st.message);
    for (uint64_t version = 1; version <= commits; version++) {
        append(world, version);
    }
}

static void hub_init(struct world *world, size_t ring_bytes)
{
    world->registry = registry_new(world->store->identity.epoch);
    registry_load_position(world->registry, &world->end, 0);
    struct hub_options options = {
        .store = world->store, .registry = world->registry, .ring_bytes = ring_bytes};
    world->hub = hub_new(&options);
}

static void world_init(struct world *world, uint64_t commits, size_t ring_bytes)
{
    store_init(world, commits);
    hub_init(world, ring_bytes);
}

static void world_fini(struct world *world)
{
    hub_free(world->hub);
    registry_free(world->registry);
    store_close(world->store);
    leak_check();
}

static void check_ring(const struct world *world)
{
    const struct ring *ring = &world->hub->ring;
    cr_assert_eq(ring->next, world->end.revision + 1);
    cr_assert_eq(world->hub->tail.revision, world->end.revision);
    for (uint64_t revision = ring_first(ring); revision < ring->next; revision++) {
        const struct encoded_commit *encoded = ring_at(ring, revision);
        cr_assert_eq(encoded->commit->revision, revision);
        cr_assert_eq(encoded->n_events, 1);
        cr_assert_not(encoded->chosen || encoded->has_previous);
        cr_assert_not_null(encoded->events[0].plain);
        cr_assert_null(encoded->commit->changes[0].payload, "it stands in the event");
    }
}

Test(preload, an_empty_log_gives_an_empty_ring)
{
    struct world world;
    world_init(&world, 0, 1 << 20);
    check_ring(&world);
    cr_assert_eq(world.hub->ring.n, 0);
    world_fini(&world);
}

Test(preload, a_small_log_is_in_the_ring_as_a_whole)
{
    struct world world;
    world_init(&world, 3, 1 << 20);
    check_ring(&world);
    cr_assert_eq(world.hub->ring.n, 3);
    world_fini(&world);
}

Test(preload, the_log_is_read_in_several_pieces)
{
    struct world world;
    world_init(&world, 700, 64 << 20);
    check_ring(&world);
    cr_assert_eq(world.hub->ring.n, 700);
    world_fini(&world);
}

Test(preload, what_does_not_fit_stays_in_the_store)
{
    struct world world;
    world_init(&world, 700, 500000);
    check_ring(&world);
    cr_assert_gt(world.hub->ring.n, 0);
    cr_assert_lt(world.hub->ring.n, 700);
    cr_assert_leq(world.hub->ring.bytes, 500000);
    world_fini(&world);
}

/* ---- A store that takes its time ---- */

static const struct store_ops *quick;
static struct store_ops slow;
static sem_t reads; /* that may go on */

static bool read_when_allowed(struct store *store, uint64_t from, uint64_t through,
                              bool with_payloads, store_row_visitor *visit, void *user,
                              struct status *st)
{
    sem_wait(&reads);
    return quick->read_commits(store, from, through, with_payloads, visit, user, st);
}

static void slow_world_init(struct world *world, uint64_t commits)
{
    store_init(world, commits);
    sem_init(&reads, 0, 0);
    quick = world->store->ops;
    slow = *quick;
    slow.read_commits = read_when_allowed;
    world->store->ops = &slow;
    hub_init(world, 64 << 20);
}

static void slow_world_fini(struct world *world)
{
    world_fini(world);
    sem_destroy(&reads);
}

static void wait_for_ring(struct world *world, size_t n)
{
    while (world->hub->ring.n < n) {
        sched_yield();
        hub_take_inbox(world->hub);
    }
    check_ring(world);
    cr_assert_eq(world->hub->ring.n, n);
}

Test(preload, a_slow_store_does_not_keep_the_hub_waiting)
{
    struct world world;
    slow_world_init(&world, 700);
    cr_assert_eq(world.hub->ring.n, 0, "the hub is there before the ring is filled");
    sem_post(&reads);
    wait_for_ring(&world, 256);
    sem_post(&reads);
    wait_for_ring(&world, 700);
    slow_world_fini(&world);
}

Test(preload, what_is_erased_meanwhile_does_not_come_in)
{
    struct world world;
    struct head *nothing[1] = {NULL};
    slow_world_init(&world, 700);
    AUTO(commit_unref) struct commit *erasing = commit_new(1);
    erasing->revision = world.end.revision + 1;
    erasing->previous_hash = world.end.hash;
    erasing->changes[0] = (struct change){.kind = CHANGE_ERASE,
                                          .environment = mem_string("prod"),
                                          .service = mem_string("billing"),
                                          .version = 1};
    commit_seal(erasing, world.store->identity.epoch);
    struct staged staged = {.commit = erasing, .before = nothing, .after = nothing};
    hub_publish(world.hub, &staged);
    hub_take_inbox(world.hub);
    sem_post(&reads);
    sem_post(&reads);
    preload_wait(world.hub->preload, &world.hub->ring);
    cr_assert_eq(ring_first(&world.hub->ring), erasing->revision);
    slow_world_fini(&world);
}
