#include "violations.h"

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

void violations_fini(struct violations *violations)
{
    for (size_t i = 0; i < violations->n; i++) {
        free_text(violations->items[i].field);
        free_text(violations->items[i].reason);
        free_text(violations->items[i].message);
    }
    free(violations->items);
    *violations = (struct violations){0};
}

void violations_add(struct violations *violations, const char *field, const char *reason,
                    const char *message)
{
    violations->items = mem_grow(violations->items, violations->n + 1, sizeof violations->items[0]);
    violations->items[violations->n++] = (struct status_violation){
        .field = mem_string(field), .reason = mem_string(reason), .message = mem_string(message)};
}

void violations_lend(const struct violations *violations, struct status *st)
{
    st->violations = violations->items;
    st->n_violations = violations->n;
}

void violations_drop(struct status *st)
{
    st->violations = NULL;
    st->n_violations = 0;
}

void violations_keep(struct violations *violations, struct status *st)
{
    for (size_t i = 0; i < st->n_violations; i++) {
        const struct status_violation *v = &st->violations[i];
        violations_add(violations, v->field, v->reason, v->message);
    }
    violations_lend(violations, st);
}
