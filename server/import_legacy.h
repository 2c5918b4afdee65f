/* `confregd import-legacy`: takes over the data of the service that confreg replaces. */
#ifndef SERVER_IMPORT_LEGACY_H
#define SERVER_IMPORT_LEGACY_H

/* argv[0] is the subcommand. Prints what could not be taken over and what was done. Returns the
 * exit code: 0 where everything is there now, 1 where something is not, 2 for a wrong option. */
int import_legacy(int argc, char **argv);

#endif
