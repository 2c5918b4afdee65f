#include "problem.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"

static void add_text(struct str *members, const char *name, const char *value)
{
    str_addf(members, ",\"%s\":", name);
    json_encode_string(members, value, strlen(value));
}

void problem_add_reason(struct str *members, const char *reason, const char *field)
{
    add_text(members, "reason", reason);
    if (field != NULL) {
        add_text(members, "field", field);
    }
}

void problem_add_number(struct str *members, const char *name, uint64_t value)
{
    str_addf(members, ",\"%s\":%" PRIu64, name, value);
}

/* The keys of a status's info that clients get as members of an error. openapi.json documents the
 * same. */
static const struct row {
    const char *key;
    bool is_text; /* otherwise a number */
} rows[] = {
    {"limit", false},
    {"found", false},
    {"current_epoch", true},
    {"current_version", false},
    {"current_revision", false},
    {"oldest_revision", false},
    {"newest_revision", false},
    {"epoch", true},
    {"revision", false},
};

static void add_info(struct str *members, const struct status_info *info)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].key, info->key) != 0) {
            continue;
        }
        if (rows[i].is_text) {
            add_text(members, info->key, info->value);
        } else {
            problem_add_number(members, info->key, strtoull(info->value, NULL, 10));
        }
    }
}

void problem_add_status(struct str *members, const struct status *st)
{
    problem_add_reason(members, st->reason[0] == '\0' ? status_code_name(st->code) : st->reason,
                       st->field[0] == '\0' ? NULL : st->field);
    for (size_t i = 0; i < st->n_info; i++) {
        add_info(members, &st->info[i]);
    }
}

void problem_render(struct str *out, const char *detail, size_t n, const struct str *members)
{
    str_add_text(out, "{\"detail\":");
    json_encode_string(out, detail, n);
    str_add(out, str_text(members), members->len);
    str_add_char(out, '}');
}
