#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "schema_trial.h"
#include "world.h"

static const struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = 64};

static struct command command_of(const struct mutation *mutations, size_t n)
{
    return (struct command){.actor = "",
                            .credential = "",
                            .method = "",
                            .peer = "test",
                            .comment = "",
                            .request_id = "",
                            .mutations = mutations,
                            .n_mutations = n,
                            .limits = limits,
                            .now_us = 1000};
}

static struct mutation mutation_of(enum mutation_kind kind, const char *environment,
                                   const char *service)
{
    return (struct mutation){
        .kind = kind, .environment = environment, .service = service, .expected_epoch = ""};
}

/* Stages one mutation; NULL where it was refused, with st. */
static struct staged *stage(struct world *world, const struct mutation *m, struct status *st)
{
    struct command command = command_of(m, 1);
    struct version_source source = world_source(world);
    struct staged *staged = NULL;
    return registry_stage(world->registry, &command, &source, &staged, st) ? staged : NULL;
}

static void accept(struct world *world, struct staged *staged)
{
    world_note(world, staged);
    registry_accept(world->registry, staged);
    world->batch[world->n_batch++] = staged;
}

static void must(struct world *world, struct mutation m, const char *json)
{
    struct status st = {.code = STATUS_OK};
    AUTO(buf_unref) struct buf *payload = json == NULL ? NULL : buf_copy(json, strlen(json));
    m.payload = payload;
    struct staged *staged = stage(world, &m, &st);
    cr_assert_not_null(staged, "%s", st.message);
    accept(world, staged);
    world_apply(world);
}

static void refused(struct world *world, struct mutation m, const char *json, enum status_code code,
                    const char *reason)
{
    struct status st = {.code = STATUS_OK};
    AUTO(buf_unref) struct buf *payload = json == NULL ? NULL : buf_copy(json, strlen(json));
    m.payload = payload;
    struct staged *staged = stage(world, &m, &st);
    cr_assert_null(staged);
    cr_assert_eq(st.code, code, "%s: %s", status_code_name(st.code), st.message);
    cr_assert_str_eq(st.reason, reason);
}

static struct mutation create(const char *service)
{
    return mutation_of(MUTATE_CREATE, "prod", service);
}
static struct mutation update(const char *service)
{
    return mutation_of(MUTATE_UPDATE, "prod", service);
}
static struct mutation remove_version(const char *service, uint64_t version)
{
    struct mutation m = mutation_of(MUTATE_DELETE, "prod", service);
    m.version = version;
    return m;
}
static struct mutation rollback_to(const char *service, uint64_t version)
{
    struct mutation m = mutation_of(MUTATE_ROLLBACK, "prod", service);
    m.version = version;
    return m;
}

static struct mutation undelete(const char *service, uint64_t version)
{
    struct mutation m = mutation_of(MUTATE_UNDELETE, "prod", service);
    m.version = version;
    return m;
}
static struct mutation erase_all(const char *service)
{
    struct mutation m = remove_version(service, 0);
    m.erase = true;
    return m;
}

static void check_live(const struct world *world, const char *service, const bool *live, size_t n)
{
    AUTO(head_unref) struct head *head = registry_get(world->registry, "prod", service);
    for (size_t version = 0; version < n; version++) {
        cr_expect_eq(head_has_version(head, version), live[version], "version %zu", version);
    }
    world_compare(world, world->registry);
}

static void check_head(const struct world *world, const char *service, uint64_t version,
                       const char *json)
{
    AUTO(head_unref) struct head *head = registry_get(world->registry, "prod", service);
    struct json_text payload = head_payload(head);
    cr_expect_eq(head->version, version);
    cr_expect(payload.len == strlen(json) && memcmp(payload.data, json, payload.len) == 0, "%.*s",
              (int)payload.len, payload.data);
}

Test(registry, a_rollback_without_a_version_undoes_the_last_change)
{
    struct world world;
    world_init(&world, 1);
    refused(&world, rollback_to("parsing", 0), NULL, STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    must(&world, create("parsing"), "{\"n\":1}");
    refused(&world, rollback_to("parsing", 0), NULL, STATUS_FAILED_PRECONDITION,
            "NOT_ENOUGH_VERSIONS");
    must(&world, update("parsing"), "{\"n\":2}");
    must(&world, update("parsing"), "{\"n\":3}");
    must(&world, rollback_to("parsing", 0), NULL);
    check_head(&world, "parsing", 4, "{\"n\":2}");
    must(&world, rollback_to("parsing", 0), NULL);
    check_head(&world, "parsing", 5, "{\"n\":3}");
    must(&world, remove_version("parsing", 4), NULL);
    must(&world, rollback_to("parsing", 1), NULL);
    must(&world, remove_version("parsing", 5), NULL);
    must(&world, rollback_to("parsing", 0), NULL);
    check_head(&world, "parsing", 7, "{\"n\":3}");
    must(&world, remove_version("parsing", 0), NULL);
    must(&world, create("parsing"), "{\"n\":4}");
    refused(&world, rollback_to("parsing", 0), NULL, STATUS_FAILED_PRECONDITION,
            "NOT_ENOUGH_VERSIONS");
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

Test(registry, a_life)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1}");
    refused(&world, create("parsing"), "{}", STATUS_ALREADY_EXISTS, "CONFIG_EXISTS");
    must(&world, update("parsing"), "{\"a\":2}");
    must(&world, rollback_to("parsing", 1), NULL);
    world_compare(&world, world.registry);
    AUTO(head_unref) struct head *head = registry_get(world.registry, "prod", "parsing");
    cr_assert_eq(head->version, 3);
    cr_assert_eq(head_payload(head).len, 7);
    must(&world, remove_version("parsing", 3), NULL);
    must(&world, remove_version("parsing", 1), NULL);
    world_compare(&world, world.registry);
    must(&world, remove_version("parsing", 2), NULL); /* the last one: the config is gone */
    world_compare(&world, world.registry);
    refused(&world, update("parsing"), "{}", STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    must(&world, create("parsing"), "{}");
    AUTO(head_unref) struct head *again = registry_get(world.registry, "prod", "parsing");
    cr_assert_eq(again->version, 4, "numbering goes on after a delete");
    refused(&world, rollback_to("parsing", 1), NULL, STATUS_NOT_FOUND, "VERSION_NOT_FOUND");
    world_fini(&world);
    leak_check();
}

static struct mutation import(const char *service, uint64_t version, const char *author)
{
    struct mutation m = mutation_of(MUTATE_IMPORT, "prod", service);
    m.version = version;
    m.given_time_us = (int64_t)version * 1000;
    m.given_author = author;
    return m;
}

/* Versions come with the numbers, times and authors that they had; what was left out is no more. */
Test(registry, imports)
{
    struct world world;
    world_init(&world, 1);
    must(&world, import("parsing", 3, "ada"), "{\"a\":3}");
    must(&world, import("parsing", 4, NULL), "{\"a\":4}");
    must(&world, import("parsing", 7, ""), "{\"a\":7}");
    refused(&world, import("parsing", 7, "ada"), "{}", STATUS_ALREADY_EXISTS, "VERSION_EXISTS");
    refused(&world, import("parsing", 5, "ada"), "{}", STATUS_ALREADY_EXISTS, "VERSION_EXISTS");
    refused(&world, import("parsing", 9 + IMPORT_MAX_GAP, "ada"), "{}", STATUS_OUT_OF_RANGE,
            "VERSION_GAP");
    AUTO(head_unref) struct head *head = registry_get(world.registry, "prod", "parsing");
    cr_assert_eq(head->version, 7);
    cr_assert_eq(head_live_versions(head), 3);
    static const bool there[] = {false, false, false, true, true, false, false, true, false};
    for (uint64_t version = 0; version < COUNT_OF(there); version++) {
        cr_expect_eq(head_has_version(head, version), there[version], "%d", (int)version);
    }
    world_compare(&world, world.registry);
    struct version_ref first = {.commit = world.log[0], .index = 0};
    cr_expect_eq(version_time_us(&first), 3000);
    cr_expect_str_eq(version_author(&first), "ada");
    must(&world, remove_version("parsing", 0), NULL);
    refused(&world, undelete("parsing", 5), NULL, STATUS_FAILED_PRECONDITION, "PAYLOAD_ERASED");
    must(&world, import("parsing", 20, "ada"), "{}");
    AUTO(head_unref) struct head *again = registry_get(world.registry, "prod", "parsing");
    cr_expect_eq(head_live_versions(again), 1);
    cr_expect_eq(head_version_before(again, 20), 0);
    must(&world, update("parsing"), "{}");
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

/* The history of the life that ended is there again, without what was erased in it. */
Test(registry, an_undelete_continues_the_life)
{
    static const bool live[] = {false, true, false, true, false, true};
    struct world world;
    world_init(&world, 1);
    refused(&world, undelete("parsing", 0), NULL, STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    must(&world, create("parsing"), "{\"a\":1}");
    refused(&world, undelete("parsing", 0), NULL, STATUS_ALREADY_EXISTS, "CONFIG_EXISTS");
    must(&world, update("parsing"), "{\"a\":2}");
    must(&world, update("parsing"), "{\"a\":3}");
    must(&world, update("parsing"), "{\"a\":4}");
    must(&world, remove_version("parsing", 4), NULL);
    must(&world, remove_version("parsing", 2), NULL);
    must(&world, remove_version("parsing", 0), NULL);
    refused(&world, undelete("parsing", 5), NULL, STATUS_NOT_FOUND, "VERSION_NOT_FOUND");
    refused(&world, undelete("parsing", 2), NULL, STATUS_FAILED_PRECONDITION, "PAYLOAD_ERASED");
    must(&world, undelete("parsing", 0), NULL);
    const struct change *change = &world.log[world.n_log - 1]->changes[0];
    cr_expect_eq(change->kind, CHANGE_UNDELETE);
    cr_expect_eq(change->version, 5);
    cr_expect_eq(change->previous_version, 0);
    cr_expect_eq(change->source_version, 3, "version 4, the last one, was erased");
    check_live(&world, "parsing", live, COUNT_OF(live));
    must(&world, rollback_to("parsing", 1), NULL);
    world_fini(&world);
    leak_check();
}

Test(registry, a_create_after_a_delete_begins_another_life)
{
    static const bool live[] = {false, false, false, true, true};
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1}");
    must(&world, update("parsing"), "{\"a\":2}");
    must(&world, remove_version("parsing", 0), NULL);
    must(&world, create("parsing"), "{\"a\":3}");
    must(&world, remove_version("parsing", 0), NULL);
    must(&world, undelete("parsing", 1), NULL); /* of the first life, into the second one */
    cr_expect_eq(world.log[world.n_log - 1]->changes[0].source_version, 1);
    check_live(&world, "parsing", live, COUNT_OF(live));
    world_fini(&world);
    leak_check();
}

Test(registry, what_was_erased_cannot_be_undeleted)
{
    static const bool live[] = {false, false, false, false, true};
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1}");
    must(&world, update("parsing"), "{\"a\":2}");
    must(&world, remove_version("parsing", 0), NULL);
    must(&world, erase_all("parsing"), NULL); /* a deleted one */
    for (uint64_t version = 0; version <= 2; version++) {
        refused(&world, undelete("parsing", version), NULL, STATUS_FAILED_PRECONDITION,
                "PAYLOAD_ERASED");
    }
    must(&world, create("parsing"), "{\"a\":3}");
    must(&world, remove_version("parsing", 3), NULL); /* its only version */
    refused(&world, undelete("parsing", 0), NULL, STATUS_FAILED_PRECONDITION, "PAYLOAD_ERASED");
    must(&world, create("parsing"), "{\"a\":4}");
    check_live(&world, "parsing", live, COUNT_OF(live));
    world_fini(&world);
    leak_check();
}

/* An erase that is accepted and not scrubbed yet: the log still has the payload. */
Test(registry, an_undelete_sees_erases_of_the_same_commit)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1}");
    struct mutation good[] = {remove_version("parsing", 0), undelete("parsing", 0)};
    struct command command = command_of(good, 2);
    struct version_source source = world_source(&world);
    struct staged *staged = NULL;
    struct status st;
    cr_assert(registry_stage(world.registry, &command, &source, &staged, &st));
    accept(&world, staged);
    struct mutation bad[] = {erase_all("parsing"), undelete("parsing", 1)};
    command = command_of(bad, 2);
    cr_assert_not(registry_stage(world.registry, &command, &source, &staged, &st));
    cr_assert_str_eq(st.reason, "PAYLOAD_ERASED");
    cr_assert_str_eq(st.field, "changes[1]");
    world_apply(&world);
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

/* expected_revision is that of the delete, so that nobody brings back what was deleted again. */
Test(registry, expectations_of_an_undelete)
{
    struct world world;
    world_init(&world, 1);
    struct mutation m = undelete("parsing", 0);
    m.expected_revision = 2;
    refused(&world, m, NULL, STATUS_ABORTED, "REVISION_MISMATCH");
    must(&world, create("parsing"), "{\"a\":1}");
    refused(&world, m, NULL, STATUS_ABORTED, "REVISION_MISMATCH");
    must(&world, remove_version("parsing", 0), NULL);
    m.expected_epoch = "ffffffffffffffff";
    refused(&world, m, NULL, STATUS_FAILED_PRECONDITION, "EPOCH_MISMATCH");
    m.expected_epoch = registry_epoch(world.registry);
    must(&world, m, NULL);
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

Test(registry, expectations)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{}");
    struct mutation m = update("parsing");
    m.expected_version = 2;
    refused(&world, m, "{}", STATUS_ABORTED, "VERSION_MISMATCH");
    m = update("parsing");
    m.expected_revision = 9;
    refused(&world, m, "{}", STATUS_ABORTED, "REVISION_MISMATCH");
    m.expected_revision = 1;
    m.expected_epoch = "ffffffffffffffff";
    refused(&world, m, "{}", STATUS_FAILED_PRECONDITION, "EPOCH_MISMATCH");
    m.expected_epoch = registry_epoch(world.registry);
    must(&world, m, "{}");
    m = update("absent");
    m.expected_version = 1;
    refused(&world, m, "{}", STATUS_ABORTED, "VERSION_MISMATCH"); /* before it is looked for */
    world_fini(&world);
    leak_check();
}

Test(registry, missing_configs)
{
    struct world world;
    world_init(&world, 1);
    refused(&world, remove_version("parsing", 0), NULL, STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    refused(&world, rollback_to("parsing", 1), NULL, STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    struct mutation m = remove_version("parsing", 0);
    struct status st;
    m.allow_missing = true;
    AUTO(staged_free) struct staged *nothing = stage(&world, &m, &st);
    cr_assert_not_null(nothing);
    cr_assert_null(nothing->commit, "a delete of nothing is no commit");
    m = update("parsing");
    m.allow_missing = true;
    must(&world, m, "{\"made\":true}");
    cr_assert_eq(world.log[0]->changes[0].kind, CHANGE_CREATE);
    world_fini(&world);
    leak_check();
}

static void expect_head(const struct world *world, const char *service, const char *json)
{
    AUTO(head_unref) struct head *head = registry_get(world->registry, "prod", service);
    cr_assert_eq(head_payload(head).len, strlen(json));
    cr_assert_arr_eq(head_payload(head).data, json, strlen(json));
}

static struct mutation json_patch(const char *service)
{
    struct mutation m = mutation_of(MUTATE_JSON_PATCH, "prod", service);
    m.content_field = "changes[1].update.json_patch";
    return m;
}

Test(registry, json_patch)
{
    static const char test_a[] = "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]";
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1.0,\"b\":{\"c\":2}}");
    must(&world, json_patch("parsing"), "[{\"op\":\"replace\",\"path\":\"/b/c\",\"value\":2.50}]");
    expect_head(&world, "parsing", "{\"a\":1.0,\"b\":{\"c\":2.50}}");
    must(&world, json_patch("parsing"), test_a);
    must(&world, json_patch("parsing"), "[{\"op\":\"remove\",\"path\":\"/a\"}]");
    refused(&world, json_patch("parsing"), test_a, STATUS_INVALID_ARGUMENT, "PATCH_PATH");
    refused(&world, json_patch("parsing"), "[{\"op\":\"test\",\"path\":\"/b/c\",\"value\":2}]",
            STATUS_ABORTED, "PATCH_TEST_FAILED");
    refused(&world, json_patch("parsing"), "[{\"op\":\"add\",\"path\":\"\",\"value\":1}]",
            STATUS_INVALID_ARGUMENT, "JSON_NOT_OBJECT");
    refused(&world, json_patch("billing"), "[]", STATUS_NOT_FOUND, "CONFIG_NOT_FOUND");
    struct mutation allowed = json_patch("billing");
    allowed.allow_missing = true;
    must(&world, allowed, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]");
    expect_head(&world, "billing", "{\"a\":1}");
    world_fini(&world);
    leak_check();
}

/* The second patch of a commit finds what the first one made. */
Test(registry, json_patches_in_one_commit)
{
    static const char *const texts[] = {"[{\"op\":\"add\",\"path\":\"/a\",\"value\":2}]",
                                        "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
                                        "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]"};
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1}");
    for (size_t second = 1; second < COUNT_OF(texts); second++) {
        struct mutation ms[] = {json_patch("parsing"), json_patch("parsing")};
        AUTO(buf_unref) struct buf *first_patch = buf_copy(texts[0], strlen(texts[0]));
        AUTO(buf_unref) struct buf *second_patch = buf_copy(texts[second], strlen(texts[second]));
        ms[0].payload = first_patch;
        ms[1].payload = second_patch;
        struct command command = command_of(ms, COUNT_OF(ms));
        struct version_source source = world_source(&world);
        AUTO(staged_free) struct staged *staged = NULL;
        struct status st = {0};
        cr_expect_eq(registry_stage(world.registry, &command, &source, &staged, &st), second == 1);
        cr_expect_str_eq(st.field, second == 1 ? "" : "changes[1].update.json_patch");
    }
    world_fini(&world);
    leak_check();
}

Test(registry, merge_patch)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{\"a\":1.0,\"b\":{\"c\":2}}");
    struct mutation m = mutation_of(MUTATE_MERGE_PATCH, "prod", "parsing");
    must(&world, m, "{\"b\":{\"c\":null,\"d\":3}}");
    expect_head(&world, "parsing", "{\"a\":1.0,\"b\":{\"d\":3}}");
    world_fini(&world);
    leak_check();
}

Test(registry, several_changes_are_one)
{
    struct world world;
    world_init(&world, 1);
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    struct mutation good[] = {create("parsing"), update("parsing"), remove_version("parsing", 1)};
    good[0].payload = good[1].payload = payload;
    struct command command = command_of(good, 3);
    struct version_source source = world_source(&world);
    struct staged *staged = NULL;
    struct status st;
    cr_assert(registry_stage(world.registry, &command, &source, &staged, &st));
    accept(&world, staged);
    world_apply(&world);
    world_compare(&world, world.registry);
    struct mutation bad[] = {update("parsing"), create("parsing")};
    bad[0].payload = bad[1].payload = payload;
    command = command_of(bad, 2);
    cr_assert_not(registry_stage(world.registry, &command, &source, &staged, &st));
    cr_assert_str_eq(st.reason, "CONFIG_EXISTS");
    cr_assert_str_eq(st.field, "changes[1]");
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

Test(registry, discard_forgets)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{}");
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"x\":1}", 7);
    struct mutation m = update("parsing");
    struct status st;
    m.payload = payload;
    AUTO(staged_free) struct staged *staged = stage(&world, &m, &st);
    registry_accept(world.registry, staged);
    registry_discard(world.registry);
    world_compare(&world, world.registry);
    must(&world, update("parsing"), "{\"y\":1}");
    world_compare(&world, world.registry);
    world_fini(&world);
    leak_check();
}

Test(registry, time_never_goes_back)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{}");
    struct mutation m = update("parsing");
    AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
    m.payload = payload;
    struct command command = command_of(&m, 1);
    command.now_us = 5;
    struct version_source source = world_source(&world);
    struct staged *staged = NULL;
    struct status st;
    cr_assert(registry_stage(world.registry, &command, &source, &staged, &st));
    cr_assert_eq(staged->commit->time_us, 1000);
    staged_free(staged);
    world_fini(&world);
    leak_check();
}

/* ---- Random histories ---- */

static struct mutation draw_mutation(struct world *world, struct buf *payload)
{
    static const enum mutation_kind kinds[] = {MUTATE_CREATE, MUTATE_UPDATE,   MUTATE_UPDATE,
                                               MUTATE_UPDATE, MUTATE_ROLLBACK, MUTATE_DELETE,
                                               MUTATE_DELETE, MUTATE_UNDELETE, MUTATE_UNDELETE};
    struct world_config *config = &world->configs[world_draw(world, WORLD_NAMES)];
    struct mutation m = mutation_of(kinds[world_draw(world, COUNT_OF(kinds))], config->environment,
                                    config->service);
    m.payload = payload;
    bool whole = m.kind == MUTATE_UNDELETE || m.kind == MUTATE_DELETE || m.kind == MUTATE_ROLLBACK;
    whole = whole && world_draw(world, 3) == 0;
    m.version = whole ? 0 : world_draw(world, config->last + 2) + 1;
    m.erase = world_draw(world, 2) == 0;
    m.allow_missing = world_draw(world, 4) == 0;
    bool expects = m.kind != MUTATE_UNDELETE;
    m.expected_version =
        expects && world_draw(world, 8) == 0 ? world_draw(world, config->last + 2) : 0;
    return m;
}

static uint64_t live_before(const struct world_config *config, uint64_t version)
{
    do {
        version -= version > 0;
    } while (version > 0 && !config->live[version]);
    return version;
}

/* Whether a mutation must be refused, by the model. */
static bool model_refuses(struct world *world, const struct mutation *m)
{
    const struct world_config *config = NULL;
    for (size_t i = 0; i < WORLD_NAMES; i++) {
        if (world->configs[i].environment == m->environment &&
            world->configs[i].service == m->service) {
            config = &world->configs[i];
        }
    }
    uint64_t head = world_head(config);
    bool known = m->version >= 1 && m->version <= config->last && config->live[m->version];
    if (m->kind == MUTATE_CREATE) {
        return head != 0;
    }
    if (m->expected_version != 0 && m->expected_version != head) {
        return true;
    }
    if (m->kind == MUTATE_UPDATE) {
        return head == 0 && !m->allow_missing;
    }
    if (m->kind == MUTATE_ROLLBACK) {
        return head == 0 || (m->version == 0 ? live_before(config, head) == 0 : !known);
    }
    if (m->kind == MUTATE_UNDELETE) {
        uint64_t source = m->version != 0 ? m->version : world_ended_head(config);
        return head != 0 || source > config->last || !config->kept[source];
    }
    if (m->version != 0) {
        return !known && !m->allow_missing;
    }
    bool erasable = config->last > 0 && m->erase;
    return head == 0 && !erasable && !m->allow_missing;
}

static void random_step(struct world *world, size_t number)
{
    char text[48];
    int n = snprintf(text, sizeof text, "{\"step\":%zu}", number);
    AUTO(buf_unref) struct buf *payload = buf_copy(text, (size_t)n);
    struct mutation m = draw_mutation(world, payload);
    struct status st = {.code = STATUS_OK};
    bool refuse = model_refuses(world, &m);
    struct staged *staged = stage(world, &m, &st);
    cr_assert_eq(staged == NULL, refuse, "step %zu: %s", number, st.message);
    if (staged != NULL && (staged->commit == NULL || world_draw(world, 10) == 0)) {
        staged_free(staged); /* nothing to do, or only a look at what would be */
    } else if (staged != NULL) {
        accept(world, staged);
    }
    if (world_draw(world, 4) == 0) {
        world_apply(world);
        world_compare(world, world->registry);
    }
}

static void follow_log(struct world *world)
{
    AUTO(registry_free) struct registry *other = registry_new(world_epoch);
    struct version_source source = world_source(world);
    for (size_t i = 0; i < world->n_log; i++) {
        AUTO(staged_free) struct staged *staged = NULL;
        struct status st;
        cr_assert(registry_stage_logged(other, world->log[i], &source, &staged, &st), "%s",
                  st.message);
        registry_accept(other, staged);
        registry_apply(other);
    }
    world_compare(world, other);
}

Test(registry, random_histories, .timeout = 240)
{
    const char *given = getenv("CONFREG_TEST_SEED");
    uint64_t first = given == NULL ? 1 : strtoull(given, NULL, 10);
    for (uint64_t seed = first; seed < first + 20; seed++) {
        struct world *world = mem_zalloc(sizeof *world);
        world_init(world, seed);
        cr_log_info("seed %lu", (unsigned long)seed);
        for (size_t i = 0; i < 600; i++) {
            random_step(world, i);
        }
        world_apply(world);
        world_compare(world, world->registry);
        follow_log(world);
        world_fini(world);
        free(world);
    }
    leak_check();
}

Test(registry, a_log_that_does_not_follow_is_refused)
{
    struct world world;
    world_init(&world, 1);
    must(&world, create("parsing"), "{}");
    must(&world, update("parsing"), "{}");
    AUTO(registry_free) struct registry *other = registry_new(world_epoch);
    struct version_source source = world_source(&world);
    struct staged *staged = NULL;
    struct status st;
    cr_assert_not(registry_stage_logged(other, world.log[1], &source, &staged, &st));
    cr_assert_eq(st.code, STATUS_DATA_LOSS);
    world_fini(&world);
    leak_check();
}

/* ---- Lists ---- */

static size_t list_all(const struct registry *registry, const struct head_filter *filter,
                       size_t at_once, char names[][64])
{
    struct head_cursor cursor = {.done = false};
    size_t total = 0;
    while (!cursor.done) {
        struct head *heads[16];
        size_t n = registry_list(registry, filter, &cursor, heads, at_once);
        for (size_t i = 0; i < n; i++) {
            snprintf(names[total++], 64, "%s/%s", head_environment(heads[i]),
                     head_service(heads[i]));
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
    return total;
}

#define SCHEMAS "\x01" /* the mark of a schema's key */

Test(registry, lists_are_filtered_and_ordered)
{
    struct world world;
    world_init(&world, 1);
    const char *environments[] = {SCHEMAS, SCHEMAS "b", SCHEMAS "c", "a", "b", "b-2", "c"};
    const char *services[] = {"x", "xy", "xyz", "y"};
    for (size_t e = 0; e < COUNT_OF(environments); e++) {
        for (size_t s = 0; s < COUNT_OF(services); s++) {
            struct mutation m = mutation_of(MUTATE_CREATE, environments[e], services[s]);
            AUTO(buf_unref) struct buf *payload = buf_copy("{}", 2);
            struct status st;
            m.payload = payload;
            AUTO(schema_trial_free) struct schema_trial *trial = NULL;
            if (key_kind(environments[e]) == KEY_SCHEMA) {
                trial = schema_trial_new(world.registry, environments[e], services[s], payload);
                m.force = schema_trial_is_right(trial, &st);
                m.trial = trial;
            }
            struct staged *staged = stage(&world, &m, &st);
            registry_accept(world.registry, staged);
            registry_apply(world.registry);
            staged_free(staged);
        }
    }
    const struct head_filter filters[] = {
        {.service = NULL},
        {.environment = "b"},
        {.service = "xy"},
        {.service_prefix = "xy"},
        {.environment = "b", .service_prefix = "xy"},
        {.environment = "b", .service = "y"},
        {.environment = "bb"},
        {.kind = KEY_SCHEMA},
        {.service = "xy", .kind = KEY_SCHEMA},
        {.service_prefix = "xy", .kind = KEY_SCHEMA},
        {.environment = SCHEMAS, .kind = KEY_SCHEMA},
        {.environment = SCHEMAS "b", .service = "y", .kind = KEY_SCHEMA},
        {.environment = SCHEMAS "bb", .kind = KEY_SCHEMA},
        {.kind = KEY_ANY},
        {.service = "y", .kind = KEY_ANY},
    };
    for (size_t f = 0; f < COUNT_OF(filters); f++) {
        for (size_t at_once = 1; at_once <= 16; at_once += 5) {
            char names[32][64];
            size_t n = list_all(world.registry, &filters[f], at_once, names);
            size_t expected = 0;
            for (size_t e = 0; e < COUNT_OF(environments); e++) {
                for (size_t s = 0; s < COUNT_OF(services); s++) {
                    if (head_filter_matches(&filters[f], environments[e], services[s])) {
                        char name[64];
                        snprintf(name, sizeof name, "%s/%s", environments[e], services[s]);
                        cr_assert_lt(expected, n);
                        cr_assert_str_eq(names[expected++], name);
                    }
                }
            }
            cr_assert_eq(n, expected);
        }
    }
    cr_assert_eq(registry_config_count(world.registry), 16);
    cr_assert_eq(registry_schema_count(world.registry), 12);
    world_fini(&world);
    leak_check();
}

Test(registry, a_start_at_or_below_the_floor_is_out_of_range)
{
    struct world world;
    struct status st = {.code = STATUS_OK};
    world_init(&world, 1);
    for (int i = 0; i < 5; i++) {
        const struct world_config *config = &world.configs[0];
        struct mutation m = mutation_of(MUTATE_UPDATE, config->environment, config->service);
        m.allow_missing = true;
        must(&world, m, "{}");
    }
    cr_assert(registry_check_start(world.registry, 1, &st), "nothing is gone at first");
    struct mutation compact = mutation_of(MUTATE_COMPACT, "", "");
    compact.version = 3;
    compact.keep_versions = 1;
    must(&world, compact, NULL);
    compact.version = 2;
    struct staged *lower = stage(&world, &compact, &st);
    cr_assert_not_null(lower);
    cr_assert_null(lower->commit, "it does not move back");
    staged_free(lower);
    cr_assert_eq(registry_floor(world.registry), 3);
    cr_assert(registry_check_start(world.registry, 4, &st));
    cr_assert(registry_check_start(world.registry, 100, &st));
    cr_assert_not(registry_check_start(world.registry, 3, &st));
    cr_assert_eq(st.code, STATUS_OUT_OF_RANGE);
    cr_assert_str_eq(st.reason, "COMPACTED");
    cr_assert_str_eq(st.info[0].key, "oldest_revision");
    cr_assert_str_eq(st.info[0].value, "4");
    cr_assert_str_eq(st.info[1].key, "newest_revision");
    cr_assert_str_eq(st.info[1].value, "6");
    world_fini(&world);
    leak_check();
}
