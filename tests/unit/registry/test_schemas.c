/* Values and schemas: what the registry refuses, on every way in. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "changed_keys.h"
#include "leak_check.h"
#include "schema_trial.h"

#define SCHEMA "{\"properties\":{\"port\":{\"type\":\"integer\",\"maximum\":65535}}}"
#define REQUIRED "{\"required\":[\"port\"]}"
#define RESOLVED "{\"x-confreg-resolved\":true,\"required\":[\"port\"]}"

static const uint8_t epoch[EPOCH_SIZE] = {1};

/* A registry with its log. */
struct fixture {
    struct registry *registry;
    struct commit *log[64];
    size_t n;
    struct value_report report;
    struct status st;
    struct violations told;   /* with the status of a schema's change */
    uint64_t schema_revision; /* set: what the call's thread has seen when it checked the value */
    bool is_checked;
};

static bool read_version(void *user, const char *environment, const char *service, uint64_t version,
                         struct version_ref *ret, struct status *st)
{
    struct fixture *f = user;
    for (size_t i = 0; i < f->n; i++) {
        const struct change *change = &f->log[i]->changes[0];
        if (change->version == version && change_brings_version(change->kind) &&
            strcmp(change->environment, environment) == 0 &&
            strcmp(change->service, service) == 0) {
            *ret = (struct version_ref){commit_ref(f->log[i]), 0};
            return true;
        }
    }
    return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED", "it is not there");
}

static bool find_change(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret, struct status *st)
{
    (void)user, (void)environment, (void)service, (void)revision, (void)st;
    *ret = (struct version_ref){0};
    return true;
}

static bool stage(struct fixture *f, const struct mutation *m, size_t n, struct staged **ret)
{
    const struct version_source source = {read_version, find_change, f};
    const struct command command = {.actor = "",
                                    .credential = "",
                                    .method = "",
                                    .peer = "",
                                    .comment = "",
                                    .request_id = "",
                                    .mutations = m,
                                    .n_mutations = n,
                                    .limits = {1 << 20, 64},
                                    .now_us = 1,
                                    .report = &f->report};
    return registry_stage(f->registry, &command, &source, ret, &f->st);
}

static bool commit(struct fixture *f, const struct mutation *m, size_t n)
{
    struct staged *staged;
    if (!stage(f, m, n, &staged)) {
        return false;
    }
    registry_accept(f->registry, staged);
    registry_apply(f->registry);
    f->log[f->n++] = commit_ref(staged->commit);
    staged_free(staged);
    return true;
}

static struct mutation mutation_of(enum mutation_kind kind, const char *environment,
                                   const char *service)
{
    return (struct mutation){.kind = kind,
                             .environment = environment,
                             .service = service,
                             .expected_epoch = "",
                             .content_field = "config_data",
                             .allow_missing = true};
}

static bool write_as(struct fixture *f, enum mutation_kind kind, const char *environment,
                     const char *json)
{
    struct mutation m = mutation_of(kind, environment, "billing");
    AUTO(buf_unref) struct buf *payload = json == NULL ? NULL : buf_copy(json, strlen(json));
    m.payload = payload;
    m.is_checked = f->is_checked;
    m.checked_at = f->schema_revision;
    return commit(f, &m, 1);
}

static bool put(struct fixture *f, const char *environment, const char *json)
{
    return write_as(f, MUTATE_UPDATE, environment, json);
}

static bool goes_on(void *user)
{
    (void)user;
    return true;
}

/* Tries a change of a schema as a call's thread does; NULL: it is refused. */
static struct schema_trial *try_schema(struct fixture *f, const struct mutation *m)
{
    struct schema_trial *trial =
        schema_trial_new(f->registry, m->environment, m->service, m->payload);
    if (!schema_trial_is_right(trial, &f->st)) {
        violations_fini(&f->told);
        violations_keep(&f->told, &f->st);
        schema_trial_free(trial);
        return NULL;
    }
    cr_assert(m->force || schema_trial_run(trial, goes_on, NULL));
    return trial;
}

static bool change_schema(struct fixture *f, struct mutation *m)
{
    AUTO(schema_trial_free) struct schema_trial *trial = try_schema(f, m);
    m->trial = trial;
    bool ok = trial != NULL && commit(f, m, 1);
    if (trial != NULL && !ok) {
        violations_fini(&f->told);
        violations_keep(&f->told, &f->st);
    }
    m->trial = NULL;
    return ok;
}

static bool set_schema(struct fixture *f, const char *environment, const char *service,
                       const char *json, bool force)
{
    struct key_text key = key_of_schema(environment);
    struct mutation m = mutation_of(MUTATE_UPDATE, key.text, service);
    AUTO(buf_unref) struct buf *payload = buf_copy(json, strlen(json));
    m.payload = payload;
    m.force = force;
    return change_schema(f, &m);
}

static bool delete_schema(struct fixture *f, const char *environment, const char *service)
{
    struct key_text key = key_of_schema(environment);
    struct mutation m = mutation_of(MUTATE_DELETE, key.text, service);
    return change_schema(f, &m);
}

/* The last write was refused with this, and a fault at this pointer. */
static void expect(struct fixture *f, const char *reason, const char *pointer)
{
    cr_assert_str_eq(f->st.reason, reason, "%s: %s", f->st.reason, f->st.message);
    cr_assert_geq(f->report.n, 1);
    cr_assert_str_eq(f->report.violations[0].pointer, pointer);
}

/* The last change of a schema was refused with this; the message of the first violation begins so.
 */
static void expect_refusal(const struct fixture *f, const char *reason, const char *begin)
{
    cr_assert_str_eq(f->st.reason, reason, "%s: %s", f->st.reason, f->st.message);
    cr_assert_geq(f->told.n, 1);
    cr_assert_eq(strncmp(f->told.items[0].message, begin, strlen(begin)), 0, "%s",
                 f->told.items[0].message);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.registry = registry_new(epoch)};
}

static void tear_down(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++) {
        commit_unref(f->log[i]);
    }
    value_report_fini(&f->report);
    violations_fini(&f->told);
    registry_free(f->registry);
    leak_check();
}

Test(schemas, a_value_is_checked_on_every_way_in)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "prod", "{\"port\":70000}")); /* version 1 */
    cr_assert(put(&f, "prod", "{\"port\":1}"));
    cr_assert(set_schema(&f, "", "billing", SCHEMA, false));
    cr_assert_not(put(&f, "prod", "{\"port\":70000}"));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    cr_assert_str_eq(f.report.violations[0].rule, "confreg:/billing#/properties/port/maximum");
    cr_assert_str_eq(f.st.violations[0].field, "config_data/port");
    cr_assert_not(write_as(&f, MUTATE_CREATE, "dev", "{\"port\":\"1\"}"));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    cr_assert_not(write_as(&f, MUTATE_MERGE_PATCH, "prod", "{\"port\":70000}"));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    cr_assert_not(write_as(&f, MUTATE_JSON_PATCH, "prod",
                           "[{\"op\":\"replace\",\"path\":\"/port\",\"value\":70000}]"));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    struct mutation rollback = mutation_of(MUTATE_ROLLBACK, "prod", "billing");
    rollback.version = 1;
    cr_assert_not(commit(&f, &rollback, 1));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"port\":0.5}", 12);
    struct mutation import = mutation_of(MUTATE_IMPORT, "prod", "billing");
    import.version = 3;
    import.payload = payload;
    cr_assert_not(commit(&f, &import, 1));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    cr_assert(write_as(&f, MUTATE_DELETE, "prod", NULL));
    struct mutation undelete = mutation_of(MUTATE_UNDELETE, "prod", "billing");
    undelete.version = 1;
    cr_assert_not(commit(&f, &undelete, 1));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    undelete.version = 2;
    cr_assert(commit(&f, &undelete, 1));
    cr_assert(put(&f, "prod", "{\"port\":2}"));
    tear_down(&f);
}

Test(schemas, all_changes_of_a_commit_are_checked)
{
    struct fixture f;
    struct staged *staged;
    set_up(&f);
    cr_assert(set_schema(&f, "", "billing", SCHEMA, false));
    AUTO(buf_unref) struct buf *good = buf_copy("{\"port\":1}", 10);
    AUTO(buf_unref) struct buf *bad = buf_copy("{\"port\":-0.1}", 13);
    struct mutation m[2] = {mutation_of(MUTATE_UPDATE, "prod", "billing"),
                            mutation_of(MUTATE_UPDATE, "prod", "billing")};
    m[0].payload = bad;
    m[1].payload = good;
    cr_assert_not(stage(&f, m, 2, &staged), "a version between is a version, too");
    expect(&f, "SCHEMA_VIOLATED", "/port");
    tear_down(&f);
}

Test(schemas, that_of_the_environment_goes_first)
{
    struct fixture f;
    set_up(&f);
    cr_assert(set_schema(&f, "", "billing", REQUIRED, false));
    cr_assert(set_schema(&f, "dev", "billing", "{}", false));
    cr_assert_not(put(&f, "prod", "{}"));
    expect(&f, "SCHEMA_VIOLATED", "");
    cr_assert(put(&f, "dev", "{}"));
    cr_assert_not(delete_schema(&f, "dev", "billing"), "what is left is not kept by dev's config");
    expect_refusal(&f, "SCHEMA_BREAKS_CONFIGS", "dev/billing: the value ");
    cr_assert(put(&f, "dev", "{\"port\":1}"));
    cr_assert(delete_schema(&f, "dev", "billing"));
    cr_assert_not(put(&f, "dev", "{}"));
    tear_down(&f);
}

/* A value that was checked on the call's thread is checked again only if a schema has changed. */
Test(schemas, a_check_holds_until_a_schema_changes)
{
    struct fixture f;
    set_up(&f);
    const struct value value = {.environment = "prod", .service = "billing", .json = {"{}", 2}};
    f.is_checked = registry_check_value(f.registry, &value, &f.report, &f.schema_revision);
    cr_assert(f.is_checked, "there is no schema");
    cr_assert(set_schema(&f, "", "billing", REQUIRED, false));
    cr_assert_not(put(&f, "prod", "{}"));
    expect(&f, "SCHEMA_VIOLATED", "");
    cr_assert_not(registry_check_value(f.registry, &value, &f.report, &f.schema_revision));
    cr_assert(put(&f, "prod", "{}"), "the word of the call's thread is taken");
    tear_down(&f);
}

/* A schema that is staged counts for what is staged after it, and no longer if it is dropped. */
Test(schemas, what_is_not_in_the_log_yet_counts)
{
    struct fixture f;
    struct staged *schema, *write;
    set_up(&f);
    struct key_text key = key_of_schema("");
    struct mutation m = mutation_of(MUTATE_UPDATE, key.text, "billing");
    AUTO(buf_unref) struct buf *required = buf_copy(REQUIRED, strlen(REQUIRED));
    AUTO(buf_unref) struct buf *empty = buf_copy("{}", 2);
    struct mutation update = mutation_of(MUTATE_UPDATE, "prod", "billing");
    update.payload = empty;
    m.payload = required;
    m.trial = try_schema(&f, &m);
    cr_assert(stage(&f, &m, 1, &schema));
    registry_accept(f.registry, schema);
    cr_assert_not(stage(&f, &update, 1, &write));
    registry_discard(f.registry);
    staged_free(schema);
    schema_trial_free(m.trial);
    cr_assert(stage(&f, &update, 1, &write));
    staged_free(write);
    m.payload = empty; /* another commit gets the revision */
    cr_assert(change_schema(&f, &m));
    cr_assert(put(&f, "prod", "{}"));
    tear_down(&f);
}

Test(schemas, one_that_live_configs_break_needs_force)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "prod", "{}"));
    cr_assert(put(&f, "dev", "{\"port\":1}"));
    cr_assert_not(set_schema(&f, "", "billing", REQUIRED, false));
    expect_refusal(&f, "SCHEMA_BREAKS_CONFIGS", "prod/billing: the value ");
    cr_assert_eq(f.st.code, STATUS_FAILED_PRECONDITION);
    cr_assert_eq(f.told.n, 1);
    cr_assert(set_schema(&f, "dev", "billing", REQUIRED, false), "dev's keeps it");
    cr_assert(set_schema(&f, "", "billing", REQUIRED, true));
    cr_assert_eq(registry_schema_count(f.registry), 2);
    cr_assert_eq(registry_config_count(f.registry), 2);
    tear_down(&f);
}

Test(schemas, a_wrong_one_is_refused_with_all_faults)
{
    struct fixture f;
    set_up(&f);
    cr_assert_not(set_schema(&f, "", "billing", "{\"type\":\"int\",\"minimum\":\"1\"}", true));
    cr_assert_eq(f.st.code, STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(f.st.reason, "SCHEMA_INVALID");
    cr_assert_eq(f.told.n, 2);
    cr_assert_not(set_schema(&f, "", "billing", "{\"$ref\":\"confreg:/other\"}", true));
    cr_assert_str_eq(f.st.reason, "SCHEMA_INVALID");
    cr_assert_str_eq(f.told.items[0].field, "schema/$ref");
    tear_down(&f);
}

Test(schemas, may_refer_to_each_other)
{
    struct fixture f;
    set_up(&f);
    cr_assert(set_schema(&f, "", "base", "{\"$defs\":{\"p\":{\"maximum\":9}}}", false));
    cr_assert(set_schema(&f, "", "billing",
                         "{\"properties\":{\"port\":{\"$ref\":\"confreg:/base#/$defs/p\"}}}",
                         false));
    cr_assert_not(put(&f, "prod", "{\"port\":10}"));
    expect(&f, "SCHEMA_VIOLATED", "/port");
    cr_assert(put(&f, "prod", "{\"port\":9}"));
    cr_assert_not(set_schema(&f, "", "base", "{\"$defs\":{\"p\":{\"maximum\":8}}}", false),
                  "the config of another service would break it");
    expect_refusal(&f, "SCHEMA_BREAKS_CONFIGS", "prod/billing: /port ");
    cr_assert_not(set_schema(&f, "", "base", "{}", true));
    cr_assert_str_eq(f.st.reason, "SCHEMA_REFERENCED");
    cr_assert_not(delete_schema(&f, "", "base"));
    cr_assert_str_eq(f.st.reason, "SCHEMA_REFERENCED");
    cr_assert(set_schema(&f, "", "base", "{\"$defs\":{\"p\":{\"maximum\":99}}}", false));
    cr_assert(put(&f, "prod", "{\"port\":99}"), "the reference leads to the new version");
    cr_assert(delete_schema(&f, "", "billing"));
    cr_assert(delete_schema(&f, "", "base"));
    tear_down(&f);
}

Test(schemas, of_resolved_values_see_both_layers)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "default", "{\"port\":1}"));
    cr_assert(put(&f, "prod", "{\"host\":\"a\"}"));
    cr_assert(set_schema(&f, "", "billing", RESOLVED, false), "prod has the port of default");
    cr_assert(put(&f, "prod", "{\"host\":\"b\"}"));
    cr_assert_not(put(&f, "prod", "{\"port\":null}"), "the overlay takes it away");
    expect(&f, "SCHEMA_VIOLATED", "");
    cr_assert_str_eq(f.report.violations[0].config, "prod/billing resolved");
    cr_assert_not(put(&f, "default", "{}"), "default and all overlays would lack it");
    cr_assert_eq(f.report.n, 2);
    cr_assert_not(write_as(&f, MUTATE_DELETE, "default", NULL));
    cr_assert_str_eq(f.st.reason, "SCHEMA_VIOLATED");
    cr_assert(put(&f, "prod", "{\"port\":2}"));
    cr_assert(write_as(&f, MUTATE_DELETE, "default", NULL), "nothing needs it now");
    tear_down(&f);
}

/* Both layers can change in one commit, in whatever order. */
Test(schemas, of_resolved_values_see_what_a_commit_leaves)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "default", "{\"port\":1}"));
    cr_assert(put(&f, "prod", "{}"));
    cr_assert(set_schema(&f, "", "billing", RESOLVED, false));
    cr_assert(set_schema(&f, "default", "billing", "{}", false));
    AUTO(buf_unref) struct buf *empty = buf_copy("{}", 2);
    AUTO(buf_unref) struct buf *whole = buf_copy("{\"port\":1}", 10);
    struct mutation m[2] = {mutation_of(MUTATE_UPDATE, "default", "billing"),
                            mutation_of(MUTATE_UPDATE, "prod", "billing")};
    m[0].payload = m[1].payload = empty;
    cr_assert_not(commit(&f, m, 2));
    m[1].payload = whole;
    cr_assert(commit(&f, m, 2));
    tear_down(&f);
}

/* An erase removes what must not be kept. */
Test(schemas, an_erase_is_never_refused)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "prod", "{}"));
    cr_assert(put(&f, "prod", "{\"port\":1}"));
    cr_assert(set_schema(&f, "", "billing", REQUIRED, false));
    struct mutation m = mutation_of(MUTATE_DELETE, "prod", "billing");
    m.version = 2;
    cr_assert(commit(&f, &m, 1));
    AUTO(head_unref) struct head *head = registry_get(f.registry, "prod", "billing");
    cr_assert_eq(head->version, 1);
    tear_down(&f);
}

/* ---- Trials and what changes beside them ---- */

/* A change of the schema of billing for all environments, tried. */
struct tried {
    struct key_text key;
    struct buf *text;
    struct mutation m;
};

static void try_text(struct fixture *f, struct tried *t, const char *json)
{
    t->key = key_of_schema("");
    t->text = buf_copy(json, strlen(json));
    t->m = mutation_of(MUTATE_UPDATE, t->key.text, "billing");
    t->m.payload = t->text;
    t->m.trial = try_schema(f, &t->m);
    cr_assert_not_null(t->m.trial);
}

static void forget(struct tried *t)
{
    schema_trial_free(t->m.trial);
    buf_unref(t->text);
}

/* Tries it again as the service does, and commits it. */
static bool commit_tried(struct fixture *f, struct tried *t, bool again)
{
    if (again) {
        cr_assert(schema_trial_is_current(t->m.trial));
        cr_assert(schema_trial_run(t->m.trial, goes_on, NULL));
    }
    return commit(f, &t->m, 1);
}

Test(schema_trials, nothing_is_changed_without_one)
{
    struct fixture f;
    struct tried t;
    set_up(&f);
    try_text(&f, &t, REQUIRED);
    struct mutation untried = t.m;
    untried.trial = NULL;
    cr_assert_not(commit(&f, &untried, 1));
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    untried = t.m;
    AUTO(buf_unref) struct buf *other = buf_copy("{\"required\":[\"host\"]}", 21);
    untried.payload = other;
    cr_assert_not(commit(&f, &untried, 1), "another text was tried");
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    cr_assert(commit_tried(&f, &t, false));
    forget(&t);
    tear_down(&f);
}

Test(schema_trials, what_changes_after_one_is_checked_by_the_committer)
{
    struct fixture f;
    struct tried t;
    set_up(&f);
    cr_assert(put(&f, "dev", "{\"port\":1}"));
    try_text(&f, &t, REQUIRED);
    cr_assert(put(&f, "prod", "{}"));
    cr_assert_not(commit_tried(&f, &t, false));
    cr_assert_str_eq(f.st.reason, "SCHEMA_BREAKS_CONFIGS");
    cr_assert(put(&f, "prod", "{\"port\":1}"));
    cr_assert_not(commit_tried(&f, &t, false), "what it found may have been mended");
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    cr_assert(commit_tried(&f, &t, true));
    forget(&t);
    tear_down(&f);
}

/* A write that is accepted with the schema in one batch. */
Test(schema_trials, what_is_accepted_before_it_counts)
{
    struct fixture f;
    struct tried t;
    struct staged *write, *schema;
    set_up(&f);
    AUTO(buf_unref) struct buf *empty = buf_copy("{}", 2);
    struct mutation update = mutation_of(MUTATE_UPDATE, "prod", "billing");
    update.payload = empty;
    try_text(&f, &t, REQUIRED);
    cr_assert(stage(&f, &update, 1, &write));
    registry_accept(f.registry, write);
    cr_assert_not(stage(&f, &t.m, 1, &schema));
    cr_assert_str_eq(f.st.reason, "SCHEMA_BREAKS_CONFIGS");
    registry_discard(f.registry);
    staged_free(write);
    cr_assert(commit_tried(&f, &t, true), "the write has not come into the log");
    forget(&t);
    tear_down(&f);
}

Test(schema_trials, one_of_other_schemas_is_stale)
{
    struct fixture f;
    struct tried t;
    set_up(&f);
    try_text(&f, &t, REQUIRED);
    cr_assert(set_schema(&f, "", "other", "{}", false));
    cr_assert_not(schema_trial_is_current(t.m.trial));
    cr_assert_not(commit_tried(&f, &t, false));
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    forget(&t);
    tear_down(&f);
}

Test(schema_trials, a_changed_default_makes_one_stale)
{
    struct fixture f;
    struct tried t;
    set_up(&f);
    cr_assert(put(&f, "default", "{\"port\":1}"));
    cr_assert(put(&f, "prod", "{}"));
    try_text(&f, &t, RESOLVED);
    cr_assert(put(&f, "default", "{}"));
    cr_assert_not(commit_tried(&f, &t, false));
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    cr_assert_not(commit_tried(&f, &t, true), "default and prod have no port now");
    cr_assert_str_eq(f.st.reason, "SCHEMA_BREAKS_CONFIGS");
    forget(&t);
    tear_down(&f);
}

/* More changes than are remembered: the next run looks at what has changed, and that is all. */
Test(schema_trials, one_that_is_far_behind_is_stale)
{
    struct fixture f;
    struct tried t;
    struct mutation m[COMMIT_MAX_CHANGES];
    set_up(&f);
    AUTO(buf_unref) struct buf *empty = buf_copy("{}", 2);
    cr_assert(put(&f, "prod", "{\"port\":1}"));
    try_text(&f, &t, REQUIRED);
    for (size_t i = 0; i < COMMIT_MAX_CHANGES; i++) {
        m[i] = mutation_of(MUTATE_UPDATE, "prod", "other");
        m[i].payload = empty;
    }
    for (size_t i = 0; i < CHANGED_KEYS / COMMIT_MAX_CHANGES + 1; i++) {
        struct staged *staged;
        cr_assert(stage(&f, m, COMMIT_MAX_CHANGES, &staged));
        registry_accept(f.registry, staged);
        registry_apply(f.registry);
        staged_free(staged);
    }
    cr_assert_not(commit_tried(&f, &t, false));
    cr_assert_eq(f.st.outcome, OUTCOME_SCHEMA_TRIAL_STALE);
    cr_assert(commit_tried(&f, &t, true));
    forget(&t);
    tear_down(&f);
}

/* Only the configs that get another schema are checked. */
Test(schema_trials, configs_of_other_schemas_do_not_matter)
{
    struct fixture f;
    set_up(&f);
    cr_assert(put(&f, "prod", "{}"));
    cr_assert(set_schema(&f, "prod", "billing", REQUIRED, true), "prod is broken");
    cr_assert(set_schema(&f, "", "billing", "{\"maxProperties\":0}", false));
    cr_assert(set_schema(&f, "", "billing", REQUIRED, false), "and has a schema of its own");
    tear_down(&f);
}
