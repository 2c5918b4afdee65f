#include <assert.h>
#include <stdlib.h>

#include "str.h"
#include "value_report.h"

static void free_texts(const struct value_violation *violation)
{
    free(violation->config);
    free(violation->pointer);
    free(violation->rule);
    free(violation->message);
}

void value_report_fini(struct value_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free_texts(&report->violations[i]);
    }
    free(report->violations);
    violations_fini(&report->told);
    *report = (struct value_report){0};
}

bool value_report_add(struct value_report *report, const struct value_violation *violation)
{
    if (report->n == VALUE_VIOLATIONS_MAX) {
        report->more = true;
        free_texts(violation);
        return false;
    }
    report->violations = mem_grow(report->violations, report->n + 1, sizeof report->violations[0]);
    report->violations[report->n++] = *violation;
    return false;
}

static const char *place_of(const struct value_violation *violation)
{
    return violation->pointer[0] == '\0' ? "the value" : violation->pointer;
}

static void tell(struct value_report *report, const struct value_violation *violation)
{
    AUTO_STR field = {0};
    AUTO_STR message = {0};
    str_add_text(&field, report->field);
    if (violation->config == NULL) {
        str_add_text(&field, violation->pointer);
    } else {
        str_addf(&message, "%s: %s ", violation->config, place_of(violation));
    }
    str_addf(&message, "%s (%s)", violation->message, violation->rule);
    violations_add(&report->told, field.data, violation->reason, message.data);
}

bool value_report_status(struct value_report *report, struct status *st)
{
    assert(report->n > 0 && "there is something to tell");
    const struct value_violation *first = &report->violations[0];
    violations_fini(&report->told);
    for (size_t i = 0; i < report->n; i++) {
        tell(report, &report->violations[i]);
    }
    status_bad_field(st, report->field, first->reason, "%s%s%s%s",
                     first->config == NULL ? place_of(first) : "", first->config == NULL ? " " : "",
                     report->told.items[0].message, report->n > 1 ? ", and more is wrong" : "");
    status_add_number(st, "violations", report->n);
    violations_lend(&report->told, st);
    return false;
}
