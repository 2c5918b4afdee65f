#include "options_value.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

struct value_unit {
    const char *suffix;
    uint64_t factor;
};

/* Smallest first. */
static const struct value_unit number_units[] = {{"", 1}, {NULL, 0}};
static const struct value_unit byte_units[] = {
    {"", 1}, {"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30}, {NULL, 0}};
static const struct value_unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};

static const struct value_kind {
    const char *value_name;
    const char *description;
    const struct value_unit *units; /* of a quantity */
    uint64_t largest;               /* that the target can hold */
    const char *suffixes;
} kinds[] = {
    [OPTION_TEXT] = {"TEXT", "a text", NULL, 0, NULL},
    [OPTION_NUMBER] = {"NUMBER", "a number", number_units, UINT64_MAX, NULL},
    [OPTION_BYTES] = {"SIZE", "a size", byte_units, UINT64_MAX, "in bytes or with K, M or G"},
    [OPTION_DURATION] = {"DURATION", "a duration", duration_units, INT64_MAX, "with ms, s, m or h"},
    [OPTION_LIST] = {"TEXT", "a list of texts", NULL, 0, NULL},
    [OPTION_SWITCH] = {NULL, "one of true, false, yes, no, on, off, 1 and 0", NULL, 0, NULL},
};

static bool parse_digits(const char **text, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *p = *text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return false;
        }
    }
    if (p == *text) {
        return false;
    }
    *text = p;
    *ret_value = value;
    return true;
}

static bool parse_quantity(const struct value_unit *units, const char *text, uint64_t *ret_value)
{
    uint64_t value;
    if (!parse_digits(&text, &value)) {
        return false;
    }
    for (const struct value_unit *u = units; u->suffix != NULL; u++) {
        if (strcmp(text, u->suffix) == 0) {
            return !__builtin_mul_overflow(value, u->factor, ret_value);
        }
    }
    return false;
}

static bool set_quantity(const struct option_row *row, const char *text)
{
    const struct value_kind *kind = &kinds[row->kind];
    uint64_t value;
    if (!parse_quantity(kind->units, text, &value) || value < row->min || value > kind->largest ||
        (row->max != 0 && value > row->max)) {
        return false;
    }
    if (row->kind == OPTION_DURATION) {
        *(int64_t *)row->target = (int64_t)value;
    } else {
        *(uint64_t *)row->target = value;
    }
    return true;
}

static bool set_switch(const struct option_row *row, const char *text)
{
    static const char *const words[][2] = {
        {"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (size_t value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *(bool *)row->target = value == 1;
                return true;
            }
        }
    }
    return false;
}

static void add_texts(struct option_list *list, const char *text)
{
    static const char between[] = " \t\n,";
    for (text += strspn(text, between); *text != '\0'; text += strspn(text, between)) {
        size_t n = strcspn(text, between);
        list->texts = mem_grow(list->texts, list->n + 1, sizeof list->texts[0]);
        list->texts[list->n++] = mem_text(text, n);
        text += n;
    }
}

void option_list_fini(struct option_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->texts[i]);
    }
    free(list->texts);
    *list = (struct option_list){0};
}

bool option_set(const struct option_row *row, const char *text)
{
    if (kinds[row->kind].units != NULL) {
        return set_quantity(row, text);
    }
    if (row->kind == OPTION_SWITCH) {
        return set_switch(row, text);
    }
    if (row->kind == OPTION_LIST) {
        add_texts(row->target, text);
        return true;
    }
    *(const char **)row->target = text;
    return true;
}

void option_set_default(const struct option_row *row)
{
    if (row->default_text != NULL) {
        bool accepted = option_set(row, row->default_text);
        assert(accepted && "a default is a value that its option accepts");
    } else if (row->kind == OPTION_TEXT) {
        *(const char **)row->target = NULL;
    } else if (row->kind == OPTION_SWITCH) {
        *(bool *)row->target = false;
    } else if (row->kind == OPTION_LIST) {
        *(struct option_list *)row->target = (struct option_list){0};
    } else {
        *(uint64_t *)row->target = 0; /* int64_t for a duration: the same bytes */
    }
}

/* In the largest unit that gives a whole number. */
static void add_quantity(const struct value_unit *units, uint64_t value, struct str *out)
{
    const struct value_unit *best = units;
    for (const struct value_unit *u = units; u->suffix != NULL; u++) {
        if (value != 0 && value % u->factor == 0) {
            best = u;
        }
    }
    str_addf(out, "%" PRIu64 "%s", value / best->factor, best->suffix);
}

void option_bounds(const struct option_row *row, struct str *out)
{
    const struct value_unit *units = kinds[row->kind].units;
    if (units == NULL || (row->min == 0 && row->max == 0)) {
        return;
    }
    if (row->max == 0) {
        str_add_text(out, "at least ");
        add_quantity(units, row->min, out);
        return;
    }
    add_quantity(units, row->min, out);
    str_add_text(out, " to ");
    add_quantity(units, row->max, out);
}

void option_describe(const struct option_row *row, struct str *out)
{
    const struct value_kind *kind = &kinds[row->kind];
    str_add_text(out, kind->description);
    AUTO_STR bounds = {0};
    option_bounds(row, &bounds);
    if (bounds.len > 0) {
        str_addf(out, "%s%s", row->max == 0 ? " of " : " from ", bounds.data);
    }
    if (kind->suffixes != NULL) {
        str_addf(out, " (%s)", kind->suffixes);
    }
}

const char *option_value_name(const struct option_row *row)
{
    bool own = row->value_name != NULL && row->kind != OPTION_SWITCH;
    return own ? row->value_name : kinds[row->kind].value_name;
}

void option_variable(const struct option_table *table, const struct option_row *row,
                     struct str *out)
{
    str_addf(out, "%s_", table->prefix);
    for (const char *p = row->name; *p != '\0'; p++) {
        bool lower = *p >= 'a' && *p <= 'z';
        str_add_char(out, *p == '-' ? '_' : lower ? (char)(*p - 'a' + 'A') : *p);
    }
}
