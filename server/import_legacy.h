/* The subcommand `confregd import-legacy`: imports the data of the service that confreg replaces.
 */
#ifndef SERVER_IMPORT_LEGACY_H
#define SERVER_IMPORT_LEGACY_H

/* argv[0] is the subcommand. Prints every refused version and the totals. Returns the exit code: 0:
 * all versions are in the store; 1: some are not; 2: invalid options. */
int import_legacy(int argc, char **argv);

#endif
