/* Checks the chain of an audit log: `confregd verify --audit-log`. */
#ifndef AUDIT_AUDIT_VERIFY_H
#define AUDIT_AUDIT_VERIFY_H

#include <stdio.h>

/* Checks files in the order in which they were written, the oldest first. Prints a line to out for
 * each place where a line was changed, removed, added or moved, and at last the range of the lines
 * and the chain's head. head: what the chain must end with, as the program's log or an earlier
 * verification told it (chain_format); NULL: anything. It may also be that of a line within.
 *
 * Returns the exit code: 0: the chain is whole; 2: it is not; 1: a file cannot be read. */
int audit_verify(char *const *paths, int n, const char *head, FILE *out);

#endif
