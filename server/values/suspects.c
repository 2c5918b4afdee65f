#include "suspects.h"

void suspects_fini(struct suspects *suspects)
{
    for (size_t i = 0; i < suspects->n; i++) {
        free(suspects->items[i].pointer);
    }
    free(suspects->items);
    *suspects = (struct suspects){0};
}

void suspects_add(struct suspects *suspects, size_t place, const struct secret_finding *finding,
                  enum suspect_fate fate)
{
    if (suspects->n == SUSPECTS_MAX) {
        suspects->more = true;
        return;
    }
    suspects->items = mem_grow(suspects->items, suspects->n + 1, sizeof suspects->items[0]);
    suspects->items[suspects->n++] = (struct suspect){.place = place,
                                                      .rule = finding->rule,
                                                      .pointer = mem_string(finding->pointer),
                                                      .in_key = finding->in_key,
                                                      .fate = fate};
}

void suspects_drop(struct suspects *suspects, size_t place)
{
    size_t kept = 0;
    for (size_t i = 0; i < suspects->n; i++) {
        if (suspects->items[i].place == place) {
            free(suspects->items[i].pointer);
        } else {
            suspects->items[kept++] = suspects->items[i];
        }
    }
    suspects->n = kept;
}

bool suspects_have(const struct suspects *suspects, size_t place, enum suspect_fate fate)
{
    for (size_t i = 0; i < suspects->n; i++) {
        if (suspects->items[i].place == place && suspects->items[i].fate == fate) {
            return true;
        }
    }
    return false;
}

const char *suspect_fate_name(enum suspect_fate fate)
{
    static const char *const names[SUSPECT_FATES] = {
        [SUSPECT_WARNED] = "warned", [SUSPECT_ALLOWED] = "allowed", [SUSPECT_REFUSED] = "refused"};
    return names[fate];
}
