#include "values.h"

struct values {
    struct rules *rules;
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

struct rules *values_rules(struct values *values)
{
    return values->rules;
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
    return keeps_schema(rule, value, report);
}
