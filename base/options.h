/* Command-line options with an environment variable each; flags win.
 *
 * A program declares a table; `--name VALUE` and `--name=VALUE` set a row, `--name` alone a switch
 * (`--name=no` clears it). Of a repeated flag the last counts, except for a list. The variable of
 * `--drain-time` in the table with prefix "CONFREG" is CONFREG_DRAIN_TIME; rows may name an older
 * variable that works as well (the row's own variable wins over it). A variable that is empty, or
 * that Kubernetes sets for a Service (variable.h), counts as not set. --help and --version are
 * always there. main's thread only. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

enum option_kind {
    OPTION_TEXT,     /* const char *, borrowed from argv, the environment or the table */
    OPTION_NUMBER,   /* uint64_t, decimal, between min and max */
    OPTION_BYTES,    /* uint64_t with an optional suffix K, M or G (powers of 1024) */
    OPTION_DURATION, /* int64_t milliseconds; suffix ms, s, m or h, required */
    OPTION_LIST,     /* struct option_list: texts with blanks or commas between; flags add up */
    OPTION_SWITCH,   /* bool; as a value 1/true/yes/on and 0/false/no/off */
    OPTION_HEADING,  /* no option: `help` is a line above the rows that follow, for --help */
};

/* The value of an OPTION_LIST, which has no default. Empty texts are left out. */
struct option_list {
    char **texts; /* owned, for option_list_fini */
    size_t n;
};
void option_list_fini(struct option_list *list);

struct option_row {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *target;             /* set to the default where neither flag nor variable is given */
    const char *default_text; /* as a user would write it; NULL: NULL, 0 or false */
    const char *value_name;   /* for --help: "ADDRESS"; NULL: a word for the kind */
    const char *help;         /* one or more sentences; wrapped by --help */
    uint64_t min, max;        /* of numbers, bytes and milliseconds; max 0: no upper bound */
    const char *old_variable; /* may be NULL */
};

struct option_table {
    const char *program; /* "confregd" */
    const char *summary; /* printed by --help above the options */
    const char *prefix;  /* "CONFREG" */
    const struct option_row *rows;
    size_t n_rows;
    const char *notes; /* what --help ends with; NULL: nothing more */
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE };

/* Sets the targets. Prints --help and --version on standard output (OPTIONS_EXIT_OK). Prints
 * errors, with the flag or variable, the limit and the value found, on standard error
 * (OPTIONS_EXIT_USAGE; exit with 2). Operands are refused. */
enum options_result options_parse(const struct option_table *table, int argc, char **argv);

#endif
