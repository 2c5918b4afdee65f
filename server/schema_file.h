/* Files with JSON for the subcommands that read schemas. What is wrong is told on standard error.
 */
#ifndef SERVER_SCHEMA_FILE_H
#define SERVER_SCHEMA_FILE_H

#include "json.h"

/* Reads a file of at most 64 MiB; white space does not count for other limits. */
bool read_file(const char *path, struct str *out);
/* Reads a schema: a JSON value within SCHEMA_BYTES and SCHEMA_LEVELS. NULL: it is none. */
struct buf *read_schema(const char *path);

#endif
