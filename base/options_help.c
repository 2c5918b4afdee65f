#include "options_help.h"

#include <string.h>

#include "options_value.h"

enum { WIDTH = 80, COLUMN_MAX = 30 };

/* Columns that the text takes: one for each character of UTF-8. */
static size_t columns(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return count;
}

static void add_blanks(struct str *out, size_t n)
{
    memset(str_extend(out, n), ' ', n);
}

/* Appends the words of text in lines from column indent on, as if `at` columns of the first line
 * were taken already, and ends the last line. */
static void add_wrapped(struct str *out, const char *text, size_t indent, size_t at)
{
    static const char blanks[] = " \n";
    bool first = true;
    for (const char *p = text + strspn(text, blanks); *p != '\0'; p += strspn(p, blanks)) {
        size_t n = strcspn(p, blanks);
        size_t wide = columns(p, n);
        if (!first && at + 1 + wide > WIDTH) {
            str_add_char(out, '\n');
            at = 0;
            first = true;
        }
        size_t gap = !first ? 1 : at < indent ? indent - at : 0;
        add_blanks(out, gap);
        str_add(out, p, n);
        at += gap + wide;
        first = false;
        p += n;
    }
    str_add_char(out, '\n');
}

/* "  --listen ADDRESS" */
static void add_usage(struct str *out, const char *name, const char *value_name)
{
    str_addf(out, "  --%s", name);
    if (value_name != NULL) {
        str_addf(out, " %s", value_name);
    }
}

/* "[CONFREG_HTTP_PORT or HTTP_PORT; 1 to 65535; default 8000]" */
static void add_facts(const struct option_table *table, const struct option_row *row,
                      struct str *out)
{
    str_add_char(out, '[');
    option_variable(table, row, out);
    if (row->old_variable != NULL) {
        str_addf(out, " or %s", row->old_variable);
    }
    AUTO_STR bounds = {0};
    option_bounds(row, &bounds);
    if (bounds.len > 0) {
        str_addf(out, "; %s", bounds.data);
    }
    if (row->kind == OPTION_LIST) {
        str_add_text(out, "; repeatable");
    }
    if (row->default_text != NULL) {
        str_addf(out, "; default %s", row->default_text);
    }
    str_add_char(out, ']');
}

/* Adds the left part, and the description from `column` on. If the left part is too long, the
 * description starts on the next line. */
static void add_entry(struct str *out, const char *name, const char *value_name, const char *help,
                      size_t column)
{
    size_t start = out->len;
    add_usage(out, name, value_name);
    size_t at = columns(out->data + start, out->len - start);
    if (at + 2 > column) {
        str_add_char(out, '\n');
        at = 0;
    }
    add_wrapped(out, help, column, at);
}

/* The column of descriptions: after the longest left part of usual length. */
static size_t find_column(const struct option_table *table)
{
    size_t column = sizeof "  --version" - 1 + 2;
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->kind == OPTION_HEADING) {
            continue;
        }
        AUTO_STR left = {0};
        add_usage(&left, row->name, option_value_name(row));
        size_t wide = columns(left.data, left.len) + 2;
        if (wide <= COLUMN_MAX && wide > column) {
            column = wide;
        }
    }
    return column;
}

static void add_row(const struct option_table *table, const struct option_row *row, size_t column,
                    struct str *out)
{
    if (row->kind == OPTION_HEADING) {
        str_add_char(out, '\n');
        add_wrapped(out, row->help, 0, 0);
        return;
    }
    add_entry(out, row->name, option_value_name(row), row->help, column);
    AUTO_STR facts = {0};
    add_facts(table, row, &facts);
    add_wrapped(out, facts.data, column, 0);
}

static bool has_kind(const struct option_table *table, enum option_kind kind)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        if (table->rows[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static void add_closing(const struct option_table *table, struct str *out)
{
    AUTO_STR text = {0};
    if (table->n_rows > 0) {
        str_add_text(&text, "Each option can also be set by the environment variable in its "
                            "brackets; the command line wins. ");
    }
    if (has_kind(table, OPTION_BYTES)) {
        str_add_text(&text, "A number of bytes may have the suffix K, M or G, in powers of 1024. ");
    }
    if (has_kind(table, OPTION_DURATION)) {
        str_add_text(&text, "A time needs a suffix: ms, s, m or h.");
    }
    if (has_kind(table, OPTION_LIST)) {
        str_add_text(&text, " Options marked as repeatable add up; blanks or commas separate "
                            "their values in one text.");
    }
    if (text.len > 0) {
        str_add_char(out, '\n');
        add_wrapped(out, text.data, 0, 0);
    }
    if (table->notes != NULL) {
        str_add_char(out, '\n');
        add_wrapped(out, table->notes, 0, 0);
    }
}

void options_help(const struct option_table *table, struct str *out)
{
    size_t column = find_column(table);
    str_addf(out, "Usage: %s [OPTION]...\n\n", table->program);
    add_wrapped(out, table->summary, 0, 0);
    if (table->n_rows > 0 && table->rows[0].kind != OPTION_HEADING) {
        str_add_text(out, "\nOptions:\n");
    }
    for (size_t i = 0; i < table->n_rows; i++) {
        add_row(table, &table->rows[i], column, out);
    }
    str_add_text(out, "\nOther:\n");
    add_entry(out, "help", NULL, "Print this page and exit.", column);
    add_entry(out, "version", NULL, "Print the version and exit.", column);
    add_closing(table, out);
}
