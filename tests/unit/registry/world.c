#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

const uint8_t world_epoch[EPOCH_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

static const struct config_name names[WORLD_NAMES] = {
    {"default", "billing"}, {"default", "billing-api"}, {"prod", "billing"},
    {"prod", "parsing"},    {"prod-eu", "parsing"},     {"\xc3\xa9t\xc3\xa9", "a"},
};

void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.registry = registry_new(world_epoch), .random = seed * 2 + 1};
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        world->configs[i].environment = names[i].environment;
        world->configs[i].service = names[i].service;
    }
    world->batch = mem_array(WORLD_VERSIONS, sizeof world->batch[0]);
    world->log = mem_array(WORLD_VERSIONS, sizeof world->log[0]);
}

void world_fini(struct world *world)
{
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        for (size_t v = 1; v <= world->configs[i].last; v++) {
            free(world->configs[i].payloads[v]);
        }
    }
    for (size_t i = 0; i < world->n_log; i++) {
        commit_unref(world->log[i]);
    }
    free(world->log);
    free(world->batch);
    registry_free(world->registry);
}

uint64_t world_draw(struct world *world, uint64_t below)
{
    uint64_t x = world->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    world->random = x;
    return (x * 0x2545f4914f6cdd1du >> 16) % below;
}

static bool read_log(void *user, const char *environment, const char *service, uint64_t version,
                     struct version_ref *ret_version, struct status *st)
{
    const struct world *world = user;
    for (size_t i = 0; i < world->n_log; i++) {
        struct commit *commit = world->log[i];
        for (size_t k = 0; k < commit->n_changes; k++) {
            const struct change *change = &commit->changes[k];
            if (change_brings_version(change->kind) && change->version == version &&
                strcmp(change->environment, environment) == 0 &&
                strcmp(change->service, service) == 0) {
                *ret_version = (struct version_ref){commit_ref(commit), k};
                return true;
            }
        }
    }
    return status_set_outcome(st, OUTCOME_VERSION_NOT_FOUND, "not in the test's log");
}

struct version_source world_source(struct world *world)
{
    return (struct version_source){.read = read_log, .user = world};
}

static uint64_t last_of(const struct world_config *config, const bool *set)
{
    uint64_t v = config->last;
    while (v > 0 && !set[v]) {
        v--;
    }
    return v;
}

uint64_t world_head(const struct world_config *config)
{
    return last_of(config, config->live);
}

uint64_t world_ended_head(const struct world_config *config)
{
    return last_of(config, config->ended);
}

uint64_t world_live(const struct world_config *config)
{
    uint64_t n = 0;
    for (uint64_t v = 1; v <= config->last; v++) {
        n += config->live[v];
    }
    return n;
}

static struct world_config *find(struct world *world, const struct change *change)
{
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        if (strcmp(world->configs[i].environment, change->environment) == 0 &&
            strcmp(world->configs[i].service, change->service) == 0) {
            return &world->configs[i];
        }
    }
    cr_assert_fail("a change of an unknown config");
    return NULL;
}

static void note_undelete(struct world_config *config, const struct change *change)
{
    const char *source = config->payloads[change->source_version];
    cr_assert(config->kept[change->source_version]);
    cr_assert_eq(change->payload->len, strlen(source));
    cr_assert_arr_eq(change->payload->data, source, strlen(source));
    memcpy(config->live, config->ended, sizeof config->live);
}

static void note_version(struct world_config *config, const struct change *change)
{
    cr_assert_gt(change->version, config->last, "a version number is given once");
    cr_assert(change->version == config->last + 1 || change->kind == CHANGE_IMPORT,
              "only an import leaves numbers out");
    if (change->kind == CHANGE_UNDELETE) {
        note_undelete(config, change);
    }
    config->last = change->version;
    config->live[config->last] = true;
    config->kept[config->last] = true;
    config->payloads[config->last] =
        mem_text((const char *)change->payload->data, change->payload->len);
}

static void note_removal(struct world_config *config, const struct change *change)
{
    if (change->version != 0) {
        cr_assert(config->live[change->version]);
        config->live[change->version] = config->kept[change->version] = false;
    }
    memcpy(config->ended, config->live, sizeof config->ended);
    if (change->kind == CHANGE_ERASE && change->version == 0) {
        memset(config->kept, 0, sizeof config->kept);
        memset(config->ended, 0, sizeof config->ended);
    }
    if (change->version == 0) {
        memset(config->live, 0, sizeof config->live);
    }
}

static void note_change(struct world_config *config, const struct change *change, uint64_t revision)
{
    uint64_t before = world_head(config);
    if (change_brings_version(change->kind)) {
        note_version(config, change);
    } else {
        note_removal(config, change);
    }
    if (change_brings_version(change->kind) || world_head(config) != before) {
        config->mod_revision = revision;
    }
    cr_assert_eq(change->previous_version, before);
    cr_assert_eq(change->head_version, world_head(config));
}

void world_note(struct world *world, const struct staged *staged)
{
    struct commit *commit = staged->commit;
    cr_assert_eq(commit->revision, world->n_log + world->n_batch + 1, "revisions have no gaps");
    for (size_t i = 0; i < commit->n_changes && change_has_config(commit->changes[i].kind); i++) {
        note_change(find(world, &commit->changes[i]), &commit->changes[i], commit->revision);
    }
}

void world_apply(struct world *world)
{
    registry_apply(world->registry);
    for (size_t i = 0; i < world->n_batch; i++) {
        world->log[world->n_log++] = commit_ref(world->batch[i]->commit);
        staged_free(world->batch[i]);
    }
    world->n_batch = 0;
}

static void compare_head(const struct world_config *config, const struct head *head)
{
    uint64_t version = world_head(config);
    if (config->last == 0) {
        cr_assert_null(head);
        return;
    }
    cr_assert_not_null(head);
    cr_assert_eq(head->version, version, "%s/%s: head %lu, model %lu", config->service,
                 config->environment, (unsigned long)head->version, (unsigned long)version);
    cr_assert_eq(head->last_version, config->last);
    cr_assert_eq(head->mod_revision, config->mod_revision);
    cr_assert_eq(head_live_versions(head), world_live(config));
    for (uint64_t v = 0; v <= config->last + 1; v++) {
        bool live = v >= 1 && v <= config->last && config->live[v];
        bool kept = v >= 1 && v <= config->last && config->kept[v];
        cr_assert_eq(head_has_version(head, v), live);
        cr_assert_eq(head_keeps_version(head, v), kept, "version %lu", (unsigned long)v);
    }
    if (version == 0) {
        cr_assert_eq(head_last_kept_version(head), world_ended_head(config));
    } else {
        struct json_text payload = head_payload(head);
        cr_assert_eq(payload.len, strlen(config->payloads[version]));
        cr_assert_arr_eq(payload.data, config->payloads[version], payload.len);
    }
}

void world_compare(const struct world *world, const struct registry *registry)
{
    uint64_t live = 0;
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        const struct world_config *config = &world->configs[i];
        AUTO(head_unref)
        struct head *head = registry_get(registry, config->environment, config->service);
        compare_head(config, head);
        live += world_head(config) != 0;
    }
    cr_assert_eq(registry_config_count(registry), live);
    struct position position = registry_position(registry);
    cr_assert_eq(position.revision, world->n_log);
    if (world->n_log > 0) {
        cr_assert(hash_equal(&position.hash, &world->log[world->n_log - 1]->hash));
    }
}
