#include "problem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_server.h"
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

static void add_number(struct str *members, const char *name, uint64_t value)
{
    str_addf(members, ",\"%s\":%" PRIu64, name, value);
}

/* The keys of a status's info that clients get as members of an error. openapi.json documents the
 * same. */
static const struct info_row {
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
    {"operation", false},
    {"pointer", true},
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
            add_number(members, info->key, strtoull(info->value, NULL, 10));
        }
    }
}

/* The things that a change would break; the faults of a request are in its detail. */
static void add_violations(struct str *members, const struct status *st)
{
    str_add_text(members, ",\"violations\":[");
    for (size_t i = 0; i < st->n_violations; i++) {
        const struct status_violation *v = &st->violations[i];
        str_add_text(members, i == 0 ? "" : ",");
        json_encode_string(members, v->message, strlen(v->message));
    }
    str_add_char(members, ']');
}

void problem_add_status(struct str *members, const struct status *st)
{
    problem_add_reason(members, st->reason[0] == '\0' ? status_code_name(st->code) : st->reason,
                       st->field[0] == '\0' ? NULL : st->field);
    for (size_t i = 0; i < st->n_info; i++) {
        add_info(members, &st->info[i]);
    }
    if (st->code == STATUS_FAILED_PRECONDITION && st->n_violations > 0) {
        add_violations(members, st);
    }
}

#define PROBLEM_TYPE "application/problem+json"

/* Whether the parameters of a media range, up to its comma, have a q of 0. */
static bool is_refused(const char *at)
{
    size_t n = strcspn(at, ",");
    for (size_t i = 0; i + 2 < n; i++) {
        if (at[i] == ';') {
            size_t blanks = strspn(at + i + 1, " \t");
            const char *name = at + i + 1 + blanks;
            if ((*name | 0x20) == 'q' && name[1] == '=') {
                return strtod(name + 2, NULL) <= 0;
            }
        }
    }
    return false;
}

enum problem_form problem_form_of(const char *accept)
{
    const char *at = accept == NULL ? "" : accept;
    while (*(at += strspn(at, " \t,")) != '\0') {
        size_t n = strcspn(at, " \t,;");
        if (n == sizeof PROBLEM_TYPE - 1 && strncasecmp(at, PROBLEM_TYPE, n) == 0) {
            return is_refused(at) ? PROBLEM_DOCUMENTED : PROBLEM_RFC9457;
        }
        at += strcspn(at, ",");
    }
    return PROBLEM_DOCUMENTED;
}

const char *problem_content_type(enum problem_form form)
{
    return form == PROBLEM_RFC9457 ? PROBLEM_TYPE : "application/json";
}

void problem_render(struct str *out, enum problem_form form, const struct problem *problem)
{
    bool is_standard = form == PROBLEM_RFC9457;
    str_add_char(out, '{');
    if (is_standard) {
        const char *title = http_status_phrase(problem->status);
        str_add_text(out, "\"type\":\"about:blank\",\"title\":");
        json_encode_string(out, title, strlen(title));
        str_addf(out, ",\"status\":%u,", problem->status);
    }
    str_add_text(out, "\"detail\":");
    if (problem->faults != NULL && !is_standard) {
        str_add(out, str_text(problem->faults), problem->faults->len);
    } else {
        json_encode_string(out, problem->detail, problem->n_detail);
    }
    str_add(out, str_text(problem->members), problem->members->len);
    if (problem->faults != NULL && is_standard) {
        str_add_text(out, ",\"errors\":");
        str_add(out, str_text(problem->faults), problem->faults->len);
    }
    str_add_char(out, '}');
}
