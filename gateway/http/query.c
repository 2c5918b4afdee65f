#include "query.h"

#include <string.h>
#include <strings.h>

#include "mem.h"
#include "percent.h"
#include "unknown.h"
#include "utf8.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint64_t saturated(const char *digits, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value)) {
            return UINT64_MAX;
        }
    }
    return value;
}

static void set_text(struct number *number, const char *digits, size_t n)
{
    AUTO_STR text = {0};
    str_add_text(&text, number->negative ? "-" : "");
    str_add(&text, digits, n);
    number->text = mem_text(text.data, text.len);
}

bool number_parse(const char *text, size_t n, struct number *ret_number)
{
    const char *end = text + n;
    while (text < end && is_blank(*text)) {
        text++;
    }
    while (text < end && is_blank(end[-1])) {
        end--;
    }
    bool minus = text < end && *text == '-';
    text += text < end && (*text == '-' || *text == '+');
    if (text == end) {
        return false;
    }
    for (const char *p = text; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
    }
    while (end - text > 1 && *text == '0') {
        text++;
    }
    n = (size_t)(end - text);
    uint64_t magnitude = saturated(text, n);
    *ret_number =
        (struct number){.given = true, .negative = minus && magnitude != 0, .magnitude = magnitude};
    set_text(ret_number, text, n);
    return true;
}

void number_fini(struct number *number)
{
    free(number->text);
    *number = (struct number){0};
}

uint64_t number_version(const struct number *number, uint64_t never)
{
    if (!number->given) {
        return 0;
    }
    bool possible = !number->negative && number->magnitude != 0 && number->magnitude < never;
    return possible ? number->magnitude : never;
}

/* ---- Parameters ---- */

typedef void take_value(const char *name, const struct str *value, void *target,
                        struct invalid *invalid);

static void take_environment(const char *name, const struct str *value, void *target,
                             struct invalid *invalid)
{
    struct status st;
    if (name_check(str_text(value), value->len, name, &st)) {
        *(char **)target = mem_text(str_text(value), value->len);
    } else {
        invalid_add_status(invalid, "query", name, &st);
    }
}

static void take_filter(const char *name, const struct str *value, void *target,
                        struct invalid *invalid)
{
    if (value->len > 0) {
        take_environment(name, value, target, invalid);
    }
}

static void take_prefix(const char *name, const struct str *value, void *target,
                        struct invalid *invalid)
{
    struct status st;
    if (value->len == 0) {
        return;
    }
    if (name_prefix_check(str_text(value), value->len, name, &st)) {
        *(char **)target = mem_text(str_text(value), value->len);
    } else {
        invalid_add_status(invalid, "query", name, &st);
    }
}

static void take_text(const char *name, const struct str *value, void *target,
                      struct invalid *invalid)
{
    struct status st;
    if (text_check(str_text(value), value->len, SIZE_MAX, name, &st)) {
        *(char **)target = mem_text(str_text(value), value->len);
    } else {
        invalid_add_status(invalid, "query", name, &st);
    }
}

static void take_number(const char *name, const struct str *value, void *target,
                        struct invalid *invalid)
{
    if (!number_parse(str_text(value), value->len, target)) {
        invalid_add(invalid, "query", name, FAULT_NUMBER_TEXT,
                    "Input should be a valid integer, unable to parse string as an integer");
    }
}

static const struct {
    const char *text;
    bool value;
} truths[] = {
    {"true", true},   {"1", true},  {"yes", true}, {"on", true},
    {"false", false}, {"0", false}, {"no", false}, {"off", false},
};

static void take_switch(const char *name, const struct str *value, void *target,
                        struct invalid *invalid)
{
    for (size_t i = 0; i < COUNT_OF(truths); i++) {
        if (strcasecmp(str_text(value), truths[i].text) == 0 &&
            value->len == strlen(truths[i].text)) {
            *(bool *)target = truths[i].value;
            return;
        }
    }
    invalid_add(invalid, "query", name, FAULT_SWITCH_TEXT,
                "Input should be a valid boolean, unable to interpret input");
}

static const struct parameter_row {
    enum parameter parameter;
    const char *name;
    take_value *take;
    size_t target; /* in struct parameters */
} rows[] = {
    {PARAMETER_SERVICE_FILTER, "service_name", take_filter,
     offsetof(struct parameters, service_filter)},
    {PARAMETER_ENVIRONMENT_FILTER, "environment", take_filter,
     offsetof(struct parameters, environment)},
    {PARAMETER_ENVIRONMENT, "environment", take_environment,
     offsetof(struct parameters, environment)},
    {PARAMETER_VERSION, "version", take_number, offsetof(struct parameters, version)},
    {PARAMETER_LIMIT, "limit", take_number, offsetof(struct parameters, limit)},
    {PARAMETER_OLD_VERSION, "old_version", take_number, offsetof(struct parameters, old_version)},
    {PARAMETER_NEW_VERSION, "new_version", take_number, offsetof(struct parameters, new_version)},
    {PARAMETER_RESOLVE, "resolve", take_switch, offsetof(struct parameters, resolve)},
    {PARAMETER_PREFIX_FILTER, "prefix", take_prefix, offsetof(struct parameters, prefix_filter)},
    {PARAMETER_SNAPSHOT, "snapshot", take_switch, offsetof(struct parameters, snapshot)},
    {PARAMETER_COMMENT, "comment", take_text, offsetof(struct parameters, comment)},
    {PARAMETER_CREATED_BY, "created_by", take_text, offsetof(struct parameters, created_by)},
    {PARAMETER_NAME, "name", NULL, 0},
    {PARAMETER_PAGE, "page", take_text, offsetof(struct parameters, page)},
    {PARAMETER_FIELDS, "fields", take_text, offsetof(struct parameters, fields)},
    {PARAMETER_UPSERT, "upsert", take_switch, offsetof(struct parameters, upsert)},
    {PARAMETER_VALIDATE_ONLY, "validate_only", take_switch,
     offsetof(struct parameters, validate_only)},
    {PARAMETER_ALLOW_SECRETS, "allow_secrets", take_switch,
     offsetof(struct parameters, allow_secrets)},
    {PARAMETER_SOURCE, "source_environment", take_environment,
     offsetof(struct parameters, source_environment)},
    {PARAMETER_SIDES, "new_environment", take_environment,
     offsetof(struct parameters, new_environment)},
    {PARAMETER_SIDES, "old_revision", take_number, offsetof(struct parameters, old_revision)},
    {PARAMETER_SIDES, "new_revision", take_number, offsetof(struct parameters, new_revision)},
    {PARAMETER_LOG_FILTERS, "actor", take_text, offsetof(struct parameters, actor)},
    {PARAMETER_LOG_FILTERS, "credential", take_text, offsetof(struct parameters, credential)},
    {PARAMETER_LOG_FILTERS, "kind", take_text, offsetof(struct parameters, kind)},
    {PARAMETER_LOG_FILTERS, "since", take_text, offsetof(struct parameters, since)},
    {PARAMETER_LOG_FILTERS, "until", take_text, offsetof(struct parameters, until)},
    {PARAMETER_LOG_FILTERS, "from_revision", take_number,
     offsetof(struct parameters, from_revision)},
    {PARAMETER_LOG_FILTERS, "to_revision", take_number, offsetof(struct parameters, to_revision)},
    {PARAMETER_LOG_FILTERS, "pointer", take_text, offsetof(struct parameters, pointer)},
    {PARAMETER_LOG_FILTERS, "order", take_text, offsetof(struct parameters, order)},
    {PARAMETER_LOG_FILTERS, "view", take_text, offsetof(struct parameters, view)},
    {PARAMETER_INCLUDE_DELETED, "include_deleted", take_switch,
     offsetof(struct parameters, include_deleted)},
    {PARAMETER_DELETED, "deleted", take_switch, offsetof(struct parameters, deleted)},
    {PARAMETER_VERSIONS, "versions", take_text, offsetof(struct parameters, versions)},
    {PARAMETER_IN_FORCE, "in_force", take_switch, offsetof(struct parameters, in_force)},
    {PARAMETER_APPLY_DEFAULTS, "apply_defaults", take_switch,
     offsetof(struct parameters, apply_defaults)},
    {PARAMETER_DEFAULTS, "include_defaults", take_switch,
     offsetof(struct parameters, include_defaults)},
    {PARAMETER_FORCE, "force", take_switch, offsetof(struct parameters, force)},
};

/* The row of a parameter that the route takes; NULL: it takes none of that name. */
static const struct parameter_row *row_named(const char *name, size_t n, unsigned wanted)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((wanted & rows[i].parameter) != 0 && n == strlen(rows[i].name) &&
            memcmp(name, rows[i].name, n) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static void name_unknown(const struct str *name, unsigned wanted, struct parameters *ret,
                         struct invalid *invalid)
{
    struct known_names known = {0};
    if ((wanted & PARAMETERS_STRICT) == 0) {
        unknown_ignore(&ret->ignored, name);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((wanted & rows[i].parameter) != 0 && known.n < COUNT_OF(known.names)) {
            known.names[known.n++] = rows[i].name;
        }
    }
    unknown_refuse(invalid, "query", name, &known);
}

/* The given parameters, by row. */
struct given {
    struct query_parameter last[COUNT_OF(rows)]; /* name NULL: not given */
};

/* Collects the parameters that the route takes, and reports the others. */
static void collect(const char *query, size_t n, unsigned wanted, struct given *given,
                    struct parameters *ret, struct invalid *invalid)
{
    struct query_parameter parameter;
    for (size_t position = 0; query_next(query, n, &position, &parameter);) {
        AUTO_STR name = {0};
        percent_decode(parameter.name, parameter.n_name, true, &name);
        const struct parameter_row *row = row_named(str_text(&name), name.len, wanted);
        if (row == NULL) {
            name_unknown(&name, wanted, ret, invalid);
            continue;
        }
        struct query_parameter *last = &given->last[row - rows];
        if (last->name != NULL && row->take != NULL && (wanted & PARAMETERS_STRICT) != 0) {
            invalid_add(invalid, "query", row->name, FAULT_REPEATED, "Input should be given once");
        }
        *last = parameter;
    }
}

void parameters_parse(const char *query, size_t n, unsigned wanted, struct parameters *ret,
                      struct invalid *invalid)
{
    struct given given = {0};
    struct invalid misnamed = {0}; /* told last */
    *ret = (struct parameters){0};
    collect(query, n, wanted, &given, ret, &misnamed);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct query_parameter *last = &given.last[i];
        if (last->name != NULL && rows[i].take != NULL) {
            AUTO_STR value = {0};
            percent_decode(last->value, last->n_value, true, &value);
            rows[i].take(rows[i].name, &value, (char *)ret + rows[i].target, invalid);
        }
    }
    if ((wanted & PARAMETER_ENVIRONMENT) != 0 && ret->environment == NULL) {
        ret->environment = mem_string("default");
    }
    if ((wanted & PARAMETER_SOURCE) != 0 && ret->source_environment == NULL) {
        ret->source_environment = mem_string("default");
    }
    invalid_append(invalid, &misnamed);
}

bool parameters_take(unsigned wanted, const char *name)
{
    return row_named(name, strlen(name), wanted) != NULL;
}

void parameters_fini(struct parameters *parameters)
{
    str_fini(&parameters->ignored);
    free(parameters->service_filter);
    free(parameters->prefix_filter);
    free(parameters->comment);
    free(parameters->created_by);
    free(parameters->page);
    free(parameters->fields);
    free(parameters->versions);
    free(parameters->environment);
    free(parameters->source_environment);
    free(parameters->new_environment);
    number_fini(&parameters->old_revision);
    number_fini(&parameters->new_revision);
    free(parameters->actor);
    free(parameters->credential);
    free(parameters->kind);
    free(parameters->since);
    free(parameters->until);
    free(parameters->pointer);
    free(parameters->order);
    free(parameters->view);
    number_fini(&parameters->from_revision);
    number_fini(&parameters->to_revision);
    number_fini(&parameters->version);
    number_fini(&parameters->limit);
    number_fini(&parameters->old_version);
    number_fini(&parameters->new_version);
    *parameters = (struct parameters){0};
}
