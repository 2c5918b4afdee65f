#include "schema_trial.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "overlay.h"
#include "registry_private.h"

#define HEADS_AT_ONCE 64

struct schema_trial {
    struct registry *registry;
    struct head *candidate;   /* owned; a tombstone: the schema is deleted */
    struct table rules;       /* of struct rule, by key: those that the change concerns; owned */
    struct rule *fallback;    /* of the schema for all environments, if it takes the place of a
                                 deleted one; owned */
    uint64_t schema_revision; /* of the schemas that it was made of */
    uint64_t revision;        /* the registry's before the last run */
    uint64_t checked;         /* configs that had not changed since this revision were checked */
    bool is_right;
    bool has_run;
    struct value_report faults; /* of the schemas */
    struct value_report report; /* of the configs */
};

/* ---- Schemas as they will be ---- */

static struct head *find(void *user, const char *environment, const char *service)
{
    const struct schema_trial *trial = user;
    return head_is_named(trial->candidate, environment, service)
               ? head_ref(trial->candidate)
               : registry_get(trial->registry, environment, service);
}

static struct head_source source_of(const struct schema_trial *trial)
{
    return (struct head_source){find, (void *)(uintptr_t)trial};
}

static bool lives(const struct head *head)
{
    return head != NULL && head->version != 0 && head->payload_size > 0;
}

static struct head *make_candidate(const char *environment, const char *service, struct buf *text)
{
    if (text == NULL) {
        return head_new(environment, service);
    }
    struct commit *commit = commit_new(1);
    const struct version_ref newest = {.commit = commit};
    commit->changes[0] = (struct change){.kind = CHANGE_CREATE,
                                         .environment = mem_string(environment),
                                         .service = mem_string(service),
                                         .version = 1,
                                         .head_version = 1,
                                         .payload = buf_ref(text)};
    struct head *head = head_after(NULL, commit, 0, &newest);
    commit_unref(commit);
    return head;
}

/* ---- The schemas that it concerns ---- */

struct trial_key {
    const char *environment, *service;
};

static bool is_of(const void *rule, const void *key)
{
    const struct trial_key *k = key;
    return head_is_named(rule_head(rule), k->environment, k->service);
}

static uint64_t hash_of(const char *environment, const char *service)
{
    char key[KEY_ENVIRONMENT_MAX_BYTES + NAME_MAX_BYTES + 2];
    size_t n_environment = strlen(environment) + 1;
    size_t n_service = strlen(service);
    memcpy(key, environment, n_environment);
    memcpy(key + n_environment, service, n_service);
    return hash_table_key(key, n_environment + n_service);
}

/* The rule of a schema that the change concerns, given its key; NULL: it does not concern it. */
static const struct rule *find_rule(const struct schema_trial *trial, const char *environment,
                                    const char *service)
{
    const struct trial_key key = {environment, service};
    return table_find(&trial->rules, hash_of(environment, service), is_of, &key);
}

/* Moves the rule. */
static void add_rule(struct schema_trial *trial, struct rule *rule)
{
    const struct trial_key key = {head_environment(rule_head(rule)), head_service(rule_head(rule))};
    rule_unref(table_put(&trial->rules, hash_of(key.environment, key.service), is_of, &key, rule));
}

static void add_referrer(struct schema_trial *trial, struct head *schema)
{
    const struct head_source now = registry_source(trial->registry);
    const struct head_source then = source_of(trial);
    const struct head *candidate = trial->candidate;
    if (!lives(schema) ||
        head_is_named(schema, head_environment(candidate), head_service(candidate))) {
        return;
    }
    AUTO(rule_unref)
    struct rule *rule = rules_of(values_rules(trial->registry->values), &now, schema);
    if (rule_depends_on(rule, head_environment(candidate), head_service(candidate))) {
        add_rule(trial, rule_new(&then, schema));
    }
}

static void add_referrers(struct schema_trial *trial)
{
    static const struct head_filter schemas = {.kind = KEY_SCHEMA};
    struct head_cursor cursor = {.done = false};
    struct head *heads[HEADS_AT_ONCE];
    while (!cursor.done) {
        size_t n = registry_list(trial->registry, &schemas, &cursor, heads, HEADS_AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            add_referrer(trial, heads[i]);
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
}

/* The environment of the candidate's configs; "": all. */
static const char *environment_of(const struct schema_trial *trial)
{
    return key_environment(head_environment(trial->candidate));
}

/* Without a schema of its environment, that for all environments is in force. */
static void add_fallback(struct schema_trial *trial)
{
    const struct head_source source = source_of(trial);
    if (environment_of(trial)[0] != '\0') {
        trial->fallback = rules_find(values_rules(trial->registry->values), &source,
                                     environment_of(trial), head_service(trial->candidate));
    }
}

/* ---- A trial ---- */

struct schema_trial *schema_trial_new(struct registry *registry, const char *environment,
                                      const char *service, struct buf *text)
{
    struct schema_trial *trial = mem_zalloc(sizeof *trial);
    trial->registry = registry;
    trial->candidate = make_candidate(environment, service, text);
    /* Before anything is looked up: what changes after this is noticed by the committer. */
    trial->schema_revision = registry_schema_revision(registry);
    add_referrers(trial);
    if (text == NULL) {
        add_fallback(trial);
    } else {
        const struct head_source source = source_of(trial);
        add_rule(trial, rule_new(&source, trial->candidate));
    }
    return trial;
}

void schema_trial_free(struct schema_trial *trial)
{
    if (trial == NULL) {
        return;
    }
    size_t place = 0;
    for (struct rule *rule; (rule = table_next(&trial->rules, &place)) != NULL;) {
        rule_unref(rule);
    }
    table_fini(&trial->rules);
    rule_unref(trial->fallback);
    value_report_fini(&trial->faults);
    value_report_fini(&trial->report);
    head_unref(trial->candidate);
    free(trial);
}

bool schema_trial_is_current(const struct schema_trial *trial)
{
    return trial->schema_revision == registry_schema_revision(trial->registry);
}

static bool refuse_referrer(const struct schema_trial *trial, struct status *st)
{
    const struct value_violation *first = &trial->faults.violations[0];
    return status_set(st, STATUS_FAILED_PRECONDITION, "SCHEMA_REFERENCED",
                      "another schema refers to it and would be wrong without what it names: %s %s",
                      first->rule, first->message);
}

bool schema_trial_reference(const struct schema_trial *trial, size_t i,
                            const char **ret_environment, const char **ret_service)
{
    const struct rule *rule =
        find_rule(trial, head_environment(trial->candidate), head_service(trial->candidate));
    return lives(trial->candidate) && rule_reference(rule, i, ret_environment, ret_service);
}

bool schema_trial_is_right(struct schema_trial *trial, struct status *st)
{
    const struct head *candidate = trial->candidate;
    const struct rule *own = find_rule(trial, head_environment(candidate), head_service(candidate));
    size_t place = 0;
    value_report_fini(&trial->faults);
    snprintf(trial->faults.field, sizeof trial->faults.field, "schema");
    if (own != NULL && !rule_is_sound(own, &trial->faults)) {
        return value_report_status(&trial->faults, st);
    }
    for (const struct rule *rule; (rule = table_next(&trial->rules, &place)) != NULL;) {
        if (!rule_is_sound(rule, &trial->faults)) {
            return refuse_referrer(trial, st);
        }
    }
    trial->is_right = true;
    return true;
}

/* ---- Values ---- */

/* The rule in force for a config after the change; NULL: the change does not concern it. */
static const struct rule *rule_for(const struct schema_trial *trial, const char *environment,
                                   const char *service)
{
    const struct key_text own = key_of_schema(environment);
    const struct rule *rule = find_rule(trial, own.text, service);
    if (rule != NULL) {
        return rule;
    }
    if (trial->fallback != NULL && strcmp(environment_of(trial), environment) == 0 &&
        strcmp(head_service(trial->candidate), service) == 0) {
        return trial->fallback;
    }
    rule = find_rule(trial, key_of_schema("").text, service);
    if (rule != NULL) {
        AUTO(head_unref) struct head *before = find((void *)(uintptr_t)trial, own.text, service);
        rule = lives(before) ? NULL : rule;
    }
    return rule;
}

bool schema_trial_concerns(const struct schema_trial *trial, const char *environment,
                           const char *service)
{
    return rule_for(trial, environment, service) != NULL;
}

static struct head *base_of(const struct schema_trial *trial, const struct rule *rule,
                            const char *service)
{
    return rule_is_resolved(rule) ? registry_get(trial->registry, DEFAULT_ENVIRONMENT, service)
                                  : NULL;
}

bool schema_trial_check(const struct schema_trial *trial, const char *environment,
                        const char *service, struct json_text value, struct value_report *report,
                        bool *ret_resolved)
{
    const struct rule *rule = rule_for(trial, environment, service);
    *ret_resolved = rule != NULL && rule_is_resolved(rule);
    if (rule == NULL) {
        return true;
    }
    AUTO(head_unref) struct head *base = base_of(trial, rule, service);
    return registry_check_by(rule, environment, service, value, base, report);
}

/* ---- All live configs ---- */

/* Checks a head, unless it was checked and neither it nor the default below it has changed. */
static void check_head(struct schema_trial *trial, const struct rule *rule, const struct head *head)
{
    AUTO(head_unref) struct head *base = base_of(trial, rule, head_service(head));
    bool has_changed = head->mod_revision > trial->checked ||
                       (base != NULL && base->mod_revision > trial->checked);
    if (lives(head) && (!trial->has_run || has_changed) &&
        rule_for(trial, head_environment(head), head_service(head)) == rule) {
        registry_check_by(rule, head_environment(head), head_service(head), head_payload(head),
                          base, &trial->report);
    }
}

/* The configs of a schema, given its key: those of its environment, or of all. */
static struct head_filter configs_of(const char *key_of_environment, const char *service)
{
    const char *environment = key_environment(key_of_environment);
    return (struct head_filter){.environment = environment[0] == '\0' ? NULL : environment,
                                .service = service};
}

static bool run_rule(struct schema_trial *trial, const struct rule *rule,
                     const struct head_filter *filter, schema_trial_goes_on *goes_on, void *user)
{
    struct head_cursor cursor = {.done = false};
    struct head *heads[HEADS_AT_ONCE];
    bool goes = true;
    while (!cursor.done && !trial->report.more && (goes = goes_on(user))) {
        size_t n = registry_list(trial->registry, filter, &cursor, heads, HEADS_AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            if (!trial->report.more) {
                check_head(trial, rule, heads[i]);
            }
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
    return goes;
}

static bool run_rules(struct schema_trial *trial, schema_trial_goes_on *goes_on, void *user)
{
    const struct head *candidate = trial->candidate;
    size_t place = 0;
    bool goes = true;
    for (const struct rule *rule; goes && (rule = table_next(&trial->rules, &place)) != NULL;) {
        const struct head_filter filter =
            configs_of(head_environment(rule_head(rule)), head_service(rule_head(rule)));
        goes = run_rule(trial, rule, &filter, goes_on, user);
    }
    if (goes && trial->fallback != NULL) {
        const struct head_filter filter =
            configs_of(head_environment(candidate), head_service(candidate));
        goes = run_rule(trial, trial->fallback, &filter, goes_on, user);
    }
    return goes;
}

bool schema_trial_run(struct schema_trial *trial, schema_trial_goes_on *goes_on, void *user)
{
    assert(trial->is_right && "values are checked by what can be checked");
    uint64_t revision = registry_position(trial->registry).revision;
    trial->has_run = trial->has_run && trial->report.n == 0;
    trial->checked = trial->revision;
    value_report_fini(&trial->report);
    snprintf(trial->report.field, sizeof trial->report.field, "schema");
    if (!run_rules(trial, goes_on, user)) {
        return false;
    }
    trial->revision = revision;
    trial->has_run = true;
    return true;
}

struct head_filter schema_trial_filter(const struct schema_trial *trial)
{
    const struct head *candidate = trial->candidate;
    const struct rule *own = find_rule(trial, head_environment(candidate), head_service(candidate));
    bool has_others = trial->rules.n > (own == NULL ? 0u : 1u);
    return has_others ? (struct head_filter){.kind = KEY_CONFIG}
                      : configs_of(head_environment(candidate), head_service(candidate));
}

/* ---- The committer's part ---- */

static bool is_of_schema(const struct schema_trial *trial, const struct head *after)
{
    const struct head *tried = trial->candidate;
    if (!head_is_named(tried, head_environment(after), head_service(after)) ||
        lives(tried) != lives(after)) {
        return false;
    }
    if (!lives(after)) {
        return true;
    }
    struct json_text a = head_payload(tried);
    struct json_text b = head_payload(after);
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool is_stale(const struct schema_trial *trial, const struct staging *s,
                     const struct head *after)
{
    return trial == NULL || !trial->is_right || !is_of_schema(trial, after) ||
           trial->schema_revision != s->registry->pending_schema_revision;
}

/* Checks a config that has changed since the trial. False: the trial has to be made again, as the
 * change may have mended what it found, or concerns more configs than itself. */
static bool check_changed(struct schema_trial *trial, const struct staging *s,
                          const char *environment, const char *service)
{
    const struct rule *rule = rule_for(trial, environment, service);
    if (rule == NULL || trial->report.more) {
        return true;
    }
    bool is_default = strcmp(environment, DEFAULT_ENVIRONMENT) == 0;
    if (rule_is_resolved(rule) && is_default) {
        return false;
    }
    const struct head *head = staging_find(s, environment, service);
    if (lives(head)) {
        registry_check_by(rule, environment, service, head_payload(head),
                          staging_find(s, DEFAULT_ENVIRONMENT, service), &trial->report);
    }
    return true;
}

static bool check_all_changed(struct schema_trial *trial, const struct staging *s)
{
    const struct changed_keys *changed = &s->registry->changed;
    bool found = trial->report.n > 0;
    uint64_t place = 0;
    if (!trial->has_run || trial->revision < changed->floor) {
        return false;
    }
    for (const struct changed_key *next;
         (next = changed_keys_next(changed, trial->revision, &place)) != NULL;) {
        const char *environment = next->key.data;
        const char *service = environment + strlen(environment) + 1;
        if ((found && schema_trial_concerns(trial, environment, service)) ||
            !check_changed(trial, s, environment, service)) {
            return false;
        }
    }
    return true;
}

static bool refuse_stale(struct status *st)
{
    return status_set_outcome(st, OUTCOME_SCHEMA_TRIAL_STALE,
                              "schemas or configs have changed while the schema was tried; try "
                              "again");
}

bool schema_trial_settle(struct schema_trial *trial, const struct staging *s,
                         const struct head *after, bool force, struct status *st)
{
    if (is_stale(trial, s, after) || (!force && !check_all_changed(trial, s))) {
        return refuse_stale(st);
    }
    if (force || trial->report.n == 0) {
        return true;
    }
    value_report_status(&trial->report, st);
    st->code = STATUS_FAILED_PRECONDITION;
    status_set_reason(st, "SCHEMA_BREAKS_CONFIGS");
    return false;
}
