/* Judges values that are stored: whether they look like secrets, and whether they break the schema
 * in force. A head is judged when it is made; one that was loaded at the start, or whose schema has
 * changed since, in a pass over all heads, which those advance who ask for the counts. */
#include <string.h>

#include "overlay.h"
#include "registry_private.h"

#define JUDGED_PER_CALL 100000
#define PAGE 64

static bool lives(const struct head *head)
{
    return head != NULL && head->version != 0 && head->payload_size > 0;
}

static bool is_stored_config(const struct head *head)
{
    return lives(head) && key_kind(head_environment(head)) == KEY_CONFIG;
}

void registry_find_secrets(struct registry *registry, const struct value *value)
{
    const struct head_source source = registry_source(registry);
    values_find_secrets(registry->values, &source, value);
}

static bool looks_secret(struct registry *registry, const struct head *head)
{
    struct suspects suspects = {0};
    const struct value value = {.environment = head_environment(head),
                                .service = head_service(head),
                                .json = head_payload(head),
                                .suspects = &suspects};
    registry_find_secrets(registry, &value);
    bool suspect = suspects.n > 0;
    suspects_fini(&suspects);
    return suspect;
}

bool registry_check_by(const struct rule *rule, const char *environment, const char *service,
                       struct json_text value, const struct head *base, struct value_report *report)
{
    struct key_name name = key_name(environment, service);
    AUTO_STR config = {0};
    AUTO_STR merged = {0};
    if (!rule_is_resolved(rule)) {
        return rule_check(rule, value, name.text, report);
    }
    str_addf(&config, "%s resolved", name.text);
    if (!lives(base) || strcmp(environment, DEFAULT_ENVIRONMENT) == 0) {
        return rule_check(rule, value, config.data, report);
    }
    json_merge(head_payload(base), value, &merged);
    return rule_check(rule, (struct json_text){merged.data, merged.len}, config.data, report);
}

bool registry_keeps_schema(struct registry *registry, const struct head *head,
                           struct value_report *report, bool *ret_resolved)
{
    const struct head_source source = registry_source(registry);
    AUTO(rule_unref)
    struct rule *rule = rules_find(values_rules(registry->values), &source, head_environment(head),
                                   head_service(head));
    *ret_resolved = rule != NULL && rule_is_resolved(rule);
    if (rule == NULL) {
        return true;
    }
    AUTO(head_unref) struct head *base = NULL;
    if (*ret_resolved) {
        base = registry_get(registry, DEFAULT_ENVIRONMENT, head_service(head));
    }
    return registry_check_by(rule, head_environment(head), head_service(head), head_payload(head),
                             base, report);
}

static bool is_broken(struct registry *registry, const struct head *head)
{
    struct value_report report = {0};
    bool is_resolved;
    bool keeps = registry_keeps_schema(registry, head, &report, &is_resolved);
    value_report_fini(&report);
    return !keeps;
}

/* judged_at: of the schemas, before the judgement. */
static unsigned judge(struct registry *registry, const struct head *head, uint64_t judged_at)
{
    bool suspect = !head->secrets_allowed && looks_secret(registry, head);
    bool broken = judged_at != 0 && is_broken(registry, head);
    return VERDICT_JUDGED | (suspect ? (unsigned)VERDICT_SUSPECT : 0u) |
           (broken ? (unsigned)VERDICT_BROKEN : 0u);
}

void registry_judge(struct registry *registry, struct head *head)
{
    if (is_stored_config(head) && (atomic_load(&head->verdict) & VERDICT_JUDGED) == 0) {
        uint64_t at = registry_schema_revision(registry);
        atomic_store(&head->verdict, judge(registry, head, at));
        atomic_store(&head->judged_at, at);
    }
}

/* ---- The pass over all heads ---- */

static bool has_changed(struct registry *registry, const char *environment, const char *service,
                        uint64_t since)
{
    AUTO(head_unref) struct head *head = registry_get(registry, environment, service);
    return head != NULL && head->mod_revision > since;
}

/* Whether the schema in force, or what it is about, has changed since the head was judged. */
static bool is_outdated(struct registry *registry, const struct head *head)
{
    const char *environment = head_environment(head);
    const char *service = head_service(head);
    uint64_t at = atomic_load(&head->judged_at);
    if (has_changed(registry, key_of_schema(environment).text, service, at) ||
        has_changed(registry, key_of_schema("").text, service, at)) {
        return true;
    }
    const struct head_source source = registry_source(registry);
    AUTO(rule_unref)
    struct rule *rule = rules_find(values_rules(registry->values), &source, environment, service);
    return rule != NULL &&
           (rule_revision(rule) > at ||
            (rule_is_resolved(rule) && has_changed(registry, DEFAULT_ENVIRONMENT, service, at)));
}

static void replace_verdict(struct registry *registry, struct head *head, unsigned verdict)
{
    pthread_rwlock_wrlock(&registry->lock);
    if (head_table_find(&registry->heads, head_environment(head), head_service(head)) == head) {
        registry_count_verdict(registry, head, -1);
        atomic_store(&head->verdict, verdict);
        registry_count_verdict(registry, head, 1);
    }
    pthread_rwlock_unlock(&registry->lock);
}

/* Judges a head that is visible already. pass: a revision at which the pass had begun. */
static void judge_visible(struct registry *registry, struct head *head, uint64_t pass)
{
    unsigned before = atomic_load(&head->verdict);
    if (!is_stored_config(head) ||
        ((before & VERDICT_JUDGED) != 0 && !is_outdated(registry, head))) {
        return;
    }
    unsigned verdict = judge(registry, head, registry_schema_revision(registry));
    if (verdict != before) {
        replace_verdict(registry, head, verdict);
    }
    atomic_store(&head->judged_at, pass);
}

/* Begins a pass if none was made, or verdicts may have changed since the last one had begun. */
static void begin_pass(struct registry *registry)
{
    struct judging *judging = &registry->judging;
    pthread_rwlock_rdlock(&registry->lock);
    uint64_t unsettled = registry->unsettled;
    uint64_t revision = registry->position.revision;
    pthread_rwlock_unlock(&registry->lock);
    bool is_under_way = !judging->cursor.done && judging->cursor.after.len > 0;
    bool is_settled = judging->cursor.done && unsettled <= judging->revision;
    if (!is_under_way && !is_settled) {
        str_clear(&judging->cursor.after);
        judging->cursor.done = false;
        judging->revision = revision;
    }
}

struct verdicts registry_verdicts(struct registry *registry)
{
    static const struct head_filter configs = {.kind = KEY_CONFIG};
    struct judging *judging = &registry->judging;
    struct head *heads[PAGE];
    begin_pass(registry);
    for (size_t judged = 0; judged < JUDGED_PER_CALL && !judging->cursor.done;) {
        size_t n = registry_list(registry, &configs, &judging->cursor, heads, PAGE);
        for (size_t i = 0; i < n; i++) {
            judge_visible(registry, heads[i], judging->revision);
            head_unref(heads[i]);
        }
        judged += n + 1;
    }
    pthread_rwlock_rdlock(&registry->lock);
    struct verdicts verdicts = registry->verdicts;
    pthread_rwlock_unlock(&registry->lock);
    return verdicts;
}
