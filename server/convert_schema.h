/* The subcommand `confregd convert-schema`: makes a JSON Schema of a schema file of the service
 * that confreg replaces ({"service_name", "metadata", "fields": {NAME: {"type", "default",
 * "required", "properties", …}}}). */
#ifndef SERVER_CONVERT_SCHEMA_H
#define SERVER_CONVERT_SCHEMA_H

/* argv[0] is the subcommand. Prints the schema on standard output, and what is left out of it, a
 * line each, on standard error. Returns the exit code: 0: it was converted; 1: it is no such file,
 * or the arguments are wrong. */
int convert_schema(int argc, char **argv);

#endif
