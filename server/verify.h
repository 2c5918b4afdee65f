/* The subcommand `confregd verify`: checks the chain of audit logs, offline. */
#ifndef SERVER_VERIFY_H
#define SERVER_VERIFY_H

/* argv[0] is the subcommand. Returns the exit code: 0: the chain is whole; 2: it is not; 1: a file
 * cannot be read, or the arguments are wrong. */
int verify(int argc, char **argv);

#endif
