#include "secret_check.h"

#include "secret_marks.h"

#define REASON "SECRET_FOUND"

static void refuse(struct secret_finding *finding, struct value_report *report)
{
    AUTO_STR message = {0};
    str_addf(&message, "%s looks like a secret: %s",
             finding->in_key ? "has a key that" : "has a value that", finding->rule->what);
    const struct value_violation violation = {.pointer = MOVE(finding->pointer),
                                              .rule = mem_string(finding->rule->name),
                                              .message = mem_string(str_text(&message)),
                                              .reason = REASON};
    value_report_add(report, &violation);
}

static bool is_marked(const struct rule *rule, const char *pointer)
{
    return rule != NULL && secret_is_allowed(head_payload(rule_head(rule)), pointer);
}

static enum suspect_fate fate_of(enum secret_mode mode, const struct value *value)
{
    return value->allow_secrets                          ? SUSPECT_ALLOWED
           : mode == SECRETS_REFUSE && !value->is_import ? SUSPECT_REFUSED
                                                         : SUSPECT_WARNED;
}

bool secret_check(const struct secret_policy *policy, const struct rule *rule,
                  const struct value *value, struct value_report *report)
{
    enum secret_mode mode = secret_policy_mode(policy, value->environment);
    struct secret_report found = {0};
    if (mode == SECRETS_OFF || secrets_find(value->json, &found)) {
        return true;
    }
    enum suspect_fate fate = fate_of(mode, value);
    bool ok = true;
    for (size_t i = 0; i < found.n; i++) {
        struct secret_finding *finding = &found.findings[i];
        if (is_marked(rule, finding->pointer)) {
            continue;
        }
        if (value->suspects != NULL) {
            suspects_add(value->suspects, value->place, finding, fate);
        }
        if (fate == SUSPECT_REFUSED) {
            refuse(finding, report);
            ok = false;
        }
    }
    secret_report_fini(&found);
    return ok;
}
