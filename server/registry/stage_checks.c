#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "overlay.h"
#include "registry_private.h"

/* ---- Heads as the command will leave them ---- */

struct head *staging_find(const struct staging *s, const char *environment, const char *service)
{
    for (size_t i = s->n_made; i-- > 0;) {
        struct head *head = s->staged->after[i];
        if (head_is_named(head, environment, service)) {
            return head;
        }
    }
    return registry_pending_head(s->registry, environment, service);
}

static struct head *find(void *user, const char *environment, const char *service)
{
    return head_ref(staging_find(user, environment, service));
}

static bool lives(const struct head *head)
{
    return head != NULL && head->version != 0 && head->payload_size > 0;
}

/* The keys of one kind, those included that are not applied yet. A visitor returns false to end the
 * walk. */
struct key_walk {
    struct staging *s;
    struct head_source source;
    struct head_filter filter;
    bool (*visit)(struct key_walk *walk, struct head *head);
    struct value_report *report;
    bool found;
};

static bool visit_known(struct key_walk *walk)
{
    struct head_cursor cursor = {.done = false};
    struct head *heads[64];
    bool goes_on = true;
    while (goes_on && !cursor.done) {
        size_t n = registry_list(walk->s->registry, &walk->filter, &cursor, heads, COUNT_OF(heads));
        for (size_t i = 0; i < n; i++) {
            struct head *now =
                staging_find(walk->s, head_environment(heads[i]), head_service(heads[i]));
            goes_on = goes_on && walk->visit(walk, now);
            head_unref(heads[i]);
        }
    }
    str_fini(&cursor.after);
    return goes_on;
}

/* A head of the key that readers see already. */
static bool is_known(const struct key_walk *walk, const struct head *head)
{
    return head_table_find(&walk->s->registry->heads, head_environment(head), head_service(head)) !=
           NULL;
}

static bool is_new(const struct key_walk *walk, const struct head *head)
{
    return head_filter_matches(&walk->filter, head_environment(head), head_service(head)) &&
           !is_known(walk, head) &&
           staging_find(walk->s, head_environment(head), head_service(head)) == head;
}

static bool visit_new(struct key_walk *walk)
{
    const struct head_table *pending = &walk->s->registry->pending;
    size_t place = 0;
    bool goes_on = true;
    for (struct head *head; goes_on && (head = head_table_next(pending, &place)) != NULL;) {
        goes_on = !is_new(walk, head) || walk->visit(walk, head);
    }
    for (size_t i = 0; i < walk->s->n_made && goes_on; i++) {
        struct head *head = walk->s->staged->after[i];
        goes_on = !is_new(walk, head) || walk->visit(walk, head);
    }
    return goes_on;
}

static void walk_keys(struct key_walk *walk)
{
    if (visit_known(walk)) {
        visit_new(walk);
    }
}

static struct key_walk walk_of(struct staging *s, struct value_report *report)
{
    return (struct key_walk){.s = s, .source = {find, s}, .report = report, .found = false};
}

/* ---- Values of configs ---- */

static struct rules *rules_of_registry(const struct staging *s)
{
    return values_rules(s->registry->values);
}

/* Checks a head by the rule in force, if that is about resolved values. */
static bool check_resolved(struct key_walk *walk, struct head *head)
{
    AUTO(rule_unref)
    struct rule *rule = rules_find(rules_of_registry(walk->s), &walk->source,
                                   head_environment(head), head_service(head));
    return rule == NULL || !rule_is_resolved(rule) ||
           registry_check_by(rule, head_environment(head), head_service(head), head_payload(head),
                             staging_find(walk->s, DEFAULT_ENVIRONMENT, head_service(head)),
                             walk->report);
}

static bool visit_overlay(struct key_walk *walk, struct head *head)
{
    if (lives(head)) {
        check_resolved(walk, head);
    }
    return !walk->report->more;
}

static bool note_resolved(struct key_walk *walk, struct head *schema)
{
    if (lives(schema)) {
        AUTO(rule_unref)
        struct rule *rule = rules_of(rules_of_registry(walk->s), &walk->source, schema);
        walk->found = rule_is_resolved(rule);
    }
    return !walk->found;
}

/* Whether a schema of the service, in whatever environment, is about resolved values. */
static bool has_resolved_rule(struct staging *s, const struct change *change)
{
    struct key_walk walk = walk_of(s, NULL);
    walk.filter = (struct head_filter){.service = change->service, .kind = KEY_SCHEMA};
    walk.visit = note_resolved;
    walk_keys(&walk);
    return walk.found;
}

/* Resolved values that follow from a change: of the config, and of all overlays if it is the
 * default. An erase is never refused: what has to go goes. */
static bool keeps_resolved(struct staging *s, const struct change *change, struct head *after,
                           struct value_report *report)
{
    size_t before = report->n;
    if (s->registry->pending_schema_revision == 0 || change->kind == CHANGE_ERASE ||
        staging_find(s, change->environment, change->service) != after ||
        !has_resolved_rule(s, change)) {
        return true;
    }
    struct key_walk walk = walk_of(s, report);
    if (strcmp(change->environment, DEFAULT_ENVIRONMENT) == 0) {
        walk.filter = (struct head_filter){.service = change->service};
        walk.visit = visit_overlay;
        walk_keys(&walk);
    } else if (lives(after)) {
        check_resolved(&walk, after);
    }
    return report->n == before;
}

/* The call's thread has checked the value, and no schema has changed since. */
static bool was_checked(const struct staging *s, const struct mutation *m)
{
    return m->is_checked && m->checked_at == s->registry->pending_schema_revision;
}

/* Checks a value that the call's thread has not checked, or that it checked under other schemas. */
static bool check_value(struct staging *s, const struct mutation *m, size_t index,
                        struct value_report *report)
{
    const struct change *change = &s->staged->commit->changes[index];
    const struct head_source source = {find, s};
    const struct value value = {.environment = change->environment,
                                .service = change->service,
                                .json = json_of_buf(change->payload),
                                .allow_secrets = m->allow_secrets,
                                .is_import = m->kind == MUTATE_IMPORT,
                                .suspects = s->suspects,
                                .place = s->made_by[index]};
    suspects_drop(s->suspects, value.place);
    return values_check(s->registry->values, &source, &value, report);
}

/* Notes what the checks have found in a value. */
static void note_suspects(struct staging *s, size_t index)
{
    size_t place = s->made_by[index];
    bool suspect = suspects_have(s->suspects, place, SUSPECT_WARNED);
    bool allowed = suspects_have(s->suspects, place, SUSPECT_ALLOWED);
    struct head *after = s->staged->after[index];
    s->staged->commit->changes[index].secrets_allowed = allowed;
    after->secrets_allowed = allowed;
    atomic_store(&after->verdict, VERDICT_JUDGED | (suspect ? (unsigned)VERDICT_SUSPECT : 0u));
    atomic_store(&after->judged_at, s->registry->pending_schema_revision);
}

static bool check_config(struct staging *s, const struct mutation *m, size_t index,
                         struct value_report *report)
{
    const struct change *change = &s->staged->commit->changes[index];
    bool ok = true;
    if (change_brings_version(change->kind)) {
        ok = was_checked(s, m) || check_value(s, m, index, report);
        note_suspects(s, index);
    }
    return keeps_resolved(s, change, s->staged->after[index], report) && ok;
}

/* ---- All changes of a command ---- */

/* Where the value is in the request; of one that is made, where it would be. */
static void name_field(const struct staging *s, size_t index, struct value_report *report)
{
    const struct mutation *m = &s->command->mutations[index];
    bool is_given = m->kind == MUTATE_CREATE || m->kind == MUTATE_UPDATE;
    if (is_given && m->content_field != NULL) {
        snprintf(report->field, sizeof report->field, "%s", m->content_field);
    } else if (s->command->n_mutations > 1) {
        snprintf(report->field, sizeof report->field, "changes[%zu].config_data", index);
    } else {
        snprintf(report->field, sizeof report->field, "config_data");
    }
}

bool stage_checks(struct staging *s, struct value_report *report, struct status *st)
{
    for (size_t i = 0; i < s->n_made; i++) {
        const struct change *change = &s->staged->commit->changes[i];
        const struct mutation *m = &s->command->mutations[s->made_by[i]];
        if (!change_has_config(change->kind)) {
            continue;
        }
        name_field(s, s->made_by[i], report);
        if (key_kind(change->environment) == KEY_SCHEMA) {
            if (!schema_trial_settle(m->trial, s, s->staged->after[i], m->force, st)) {
                return false;
            }
        } else if (!check_config(s, m, i, report)) {
            return value_report_status(report, st);
        }
    }
    return true;
}
