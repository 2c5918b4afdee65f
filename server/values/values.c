#include "values.h"

#include "secret_check.h"

struct values {
    struct rules *rules;
    const struct secret_policy *secret_policy;
    struct secret_counts secret_counts;
};

struct values *values_new(void)
{
    struct values *values = mem_zalloc(sizeof *values);
    values->rules = rules_new();
    return values;
}

void values_free(struct values *values)
{
    if (values != NULL) {
        rules_free(values->rules);
        free(values);
    }
}

void values_set_secret_policy(struct values *values, const struct secret_policy *policy)
{
    values->secret_policy = policy;
}

struct rules *values_rules(struct values *values)
{
    return values->rules;
}

struct secret_counts *values_secret_counts(struct values *values)
{
    return &values->secret_counts;
}

/* rule: NULL: there is none. */
static bool keeps_schema(const struct rule *rule, const struct value *value,
                         struct value_report *report)
{
    return rule == NULL || rule_is_resolved(rule) || rule_check(rule, value->json, NULL, report);
}

bool values_check(struct values *values, const struct head_source *source,
                  const struct value *value, struct value_report *report)
{
    AUTO(rule_unref)
    struct rule *rule = rules_find(values->rules, source, value->environment, value->service);
    bool keeps = keeps_schema(rule, value, report);
    return secret_check(values->secret_policy, rule, value, report) && keeps;
}

bool values_check_secrets(const struct values *values, const struct value *text,
                          struct value_report *report)
{
    return secret_check(values->secret_policy, NULL, text, report);
}

void values_find_secrets(struct values *values, const struct head_source *source,
                         const struct value *value)
{
    struct value_report none = {0};
    struct value stored = *value;
    stored.is_import = true; /* nothing is refused */
    AUTO(rule_unref)
    struct rule *rule = rules_find(values->rules, source, value->environment, value->service);
    secret_check(values->secret_policy, rule, &stored, &none);
}
