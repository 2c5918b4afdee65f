/* The subcommand `confregd check-schema`: checks JSON values against a JSON Schema, offline, as the
 * registry does. */
#ifndef SERVER_CHECK_SCHEMA_H
#define SERVER_CHECK_SCHEMA_H

/* argv[0] is the subcommand. Prints every violation on standard output, one a line, and what else
 * is wrong on standard error. Returns the exit code: 0: all values are valid; 2: one is not; 1: the
 * schema is wrong, a file cannot be read, or the arguments are wrong. */
int check_schema(int argc, char **argv);

#endif
