#include "query.h"

#include <string.h>
#include <strings.h>

#include "mem.h"
#include "percent.h"
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
        invalid_add(invalid, "query", name, "int_parsing",
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
    invalid_add(invalid, "query", name, "bool_parsing",
                "Input should be a valid boolean, unable to interpret input");
}

static const struct row {
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
};

/* The last value under that name; false where there is none. */
static bool find_value(const char *query, size_t n, const char *name, struct str *value)
{
    struct query_parameter parameter;
    size_t position = 0;
    bool found = false;
    while (query_next(query, n, &position, &parameter)) {
        AUTO_STR found_name = {0};
        percent_decode(parameter.name, parameter.n_name, true, &found_name);
        if (found_name.len == strlen(name) && strcmp(str_text(&found_name), name) == 0) {
            str_clear(value);
            percent_decode(parameter.value, parameter.n_value, true, value);
            found = true;
        }
    }
    return found;
}

/* The name of a parameter for an error message: as decoded, or still encoded if that is not UTF-8.
 */
static void add_fault(struct invalid *invalid, const struct str *name, const char *type,
                      const char *message)
{
    AUTO_STR encoded = {0};
    struct status st;
    bool is_text = text_check(str_text(name), name->len, SIZE_MAX, "name", &st);
    if (!is_text) {
        percent_encode(str_text(name), name->len, &encoded);
    }
    invalid_add(invalid, "query", str_text(is_text ? name : &encoded), type, message);
}

/* The bit of a parameter; 0 if the route does not take it. */
static unsigned parameter_named(const char *name, size_t n, unsigned wanted)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((wanted & rows[i].parameter) != 0 && n == strlen(rows[i].name) &&
            memcmp(name, rows[i].name, n) == 0) {
            return rows[i].parameter;
        }
    }
    return 0;
}

static void check_strict(const char *query, size_t n, unsigned wanted, struct invalid *invalid)
{
    struct query_parameter parameter;
    unsigned seen = 0;
    for (size_t position = 0; query_next(query, n, &position, &parameter);) {
        AUTO_STR name = {0};
        percent_decode(parameter.name, parameter.n_name, true, &name);
        unsigned known = parameter_named(str_text(&name), name.len, wanted);
        if (known == 0) {
            add_fault(invalid, &name, "extra_forbidden", "Extra inputs are not permitted");
        } else if ((seen & known) != 0) {
            add_fault(invalid, &name, "value_error", "Input should be given once");
        }
        seen |= known;
    }
}

void parameters_parse(const char *query, size_t n, unsigned wanted, struct parameters *ret,
                      struct invalid *invalid)
{
    *ret = (struct parameters){0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STR value = {0};
        if ((wanted & rows[i].parameter) != 0 && find_value(query, n, rows[i].name, &value)) {
            rows[i].take(rows[i].name, &value, (char *)ret + rows[i].target, invalid);
        }
    }
    if ((wanted & PARAMETER_ENVIRONMENT) != 0 && ret->environment == NULL) {
        ret->environment = mem_string("default");
    }
    if ((wanted & PARAMETERS_STRICT) != 0) {
        check_strict(query, n, wanted, invalid);
    }
}

bool parameters_take(unsigned wanted, const char *name)
{
    return parameter_named(name, strlen(name), wanted) != 0;
}

void parameters_fini(struct parameters *parameters)
{
    free(parameters->service_filter);
    free(parameters->prefix_filter);
    free(parameters->comment);
    free(parameters->created_by);
    free(parameters->environment);
    number_fini(&parameters->version);
    number_fini(&parameters->limit);
    number_fini(&parameters->old_version);
    number_fini(&parameters->new_version);
    *parameters = (struct parameters){0};
}
