#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "options_help.h"
#include "options_value.h"
#include "str.h"
#include "variable.h"

static enum options_result refuse(const struct option_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum options_result refuse(const struct option_table *table, const char *format, ...)
{
    fprintf(stderr, "%s: ", table->program);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return OPTIONS_EXIT_USAGE;
}

static enum options_result refuse_value(const struct option_table *table,
                                        const struct option_row *row, const char *source,
                                        const char *text)
{
    AUTO_STR wanted = {0};
    option_describe(row, &wanted);
    return refuse(table, "%s: \"%s\" is not %s", source, text, wanted.data);
}

static enum options_result print_help(const struct option_table *table)
{
    AUTO_STR page = {0};
    options_help(table, &page);
    fputs(page.data, stdout);
    return OPTIONS_EXIT_OK;
}

static enum options_result print_version(const struct option_table *table)
{
    printf("%s %s\n", table->program, CONFREG_VERSION);
    return OPTIONS_EXIT_OK;
}

/* The index of the row with that name; n_rows: there is none. */
static size_t find_row(const struct option_table *table, const char *name, size_t n)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->kind != OPTION_HEADING && strlen(row->name) == n &&
            memcmp(row->name, name, n) == 0) {
            return i;
        }
    }
    return table->n_rows;
}

/* The texts of a list's flags are in its target already. */
static void take_value(const struct option_row *row, const char *value, const char **ret_text)
{
    *ret_text = value;
    if (row->kind == OPTION_LIST) {
        option_set(row, value);
    }
}

/* Reads the flag at argv[*i], and its value if it takes one, into texts. */
static enum options_result read_flag(const struct option_table *table, char **argv, int *i,
                                     const char **texts)
{
    const char *flag = argv[*i] + 2;
    size_t n = strcspn(flag, "=");
    size_t row = find_row(table, flag, n);
    if (row == table->n_rows) {
        return refuse(table, "unknown option --%.*s; --help lists all", (int)n, flag);
    }
    const char *next = argv[*i + 1];
    if (flag[n] == '=') {
        take_value(&table->rows[row], flag + n + 1, &texts[row]);
    } else if (table->rows[row].kind == OPTION_SWITCH) {
        texts[row] = "true";
    } else if (next == NULL || strncmp(next, "--", 2) == 0) {
        return refuse(table, "--%s needs a value: --%s %s", table->rows[row].name,
                      table->rows[row].name, option_value_name(&table->rows[row]));
    } else {
        take_value(&table->rows[row], next, &texts[row]);
        ++*i;
    }
    return OPTIONS_RUN;
}

/* texts: for each row the value that the command line gives it, or NULL. */
static enum options_result read_flags(const struct option_table *table, int argc, char **argv,
                                      const char **texts)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return print_help(table);
        }
        if (strcmp(argv[i], "--version") == 0) {
            return print_version(table);
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            return refuse(table, "unexpected argument \"%s\"; --help lists the options", argv[i]);
        }
        enum options_result result = read_flag(table, argv, &i, texts);
        if (result != OPTIONS_RUN) {
            return result;
        }
    }
    return OPTIONS_RUN;
}

static enum options_result set_row(const struct option_table *table, const struct option_row *row,
                                   const char *flag_text)
{
    AUTO_STR source = {0};
    const char *text = flag_text;
    if (text != NULL && row->kind == OPTION_LIST) {
        return OPTIONS_RUN;
    }
    if (text != NULL) {
        str_addf(&source, "--%s", row->name);
    } else {
        option_variable(table, row, &source);
        text = variable_read(source.data);
    }
    if (text == NULL && row->old_variable != NULL &&
        (text = variable_read(row->old_variable)) != NULL) {
        str_clear(&source);
        str_add_text(&source, row->old_variable);
    }
    if (text == NULL) {
        option_set_default(row);
        return OPTIONS_RUN;
    }
    return option_set(row, text) ? OPTIONS_RUN : refuse_value(table, row, source.data, text);
}

enum options_result options_parse(const struct option_table *table, int argc, char **argv)
{
    AUTO(free) const char **texts = mem_array(table->n_rows, sizeof *texts);
    for (size_t i = 0; i < table->n_rows; i++) {
        if (table->rows[i].kind == OPTION_LIST) {
            option_set_default(&table->rows[i]);
        }
    }
    enum options_result result = read_flags(table, argc, argv, texts);
    for (size_t i = 0; i < table->n_rows && result == OPTIONS_RUN; i++) {
        if (table->rows[i].kind != OPTION_HEADING) {
            result = set_row(table, &table->rows[i], texts[i]);
        }
    }
    return result;
}
