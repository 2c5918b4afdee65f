#include "verify.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_verify.h"

#define EXIT_WRONG 1

static const char usage[] =
    "usage: confregd verify --audit-log [--head SEQ:HASH] FILE…\n"
    "\n"
    "Checks the chain of audit logs (--audit-log of confregd and confreg-gateway), offline: each\n"
    "line has a number and the hash of the line before. Give rotated files, the oldest first.\n"
    "Every line that was changed, removed, added or moved is told with its place.\n"
    "\n"
    "  --head SEQ:HASH  A line that must be there, as event=audit_head in the program's log or an\n"
    "                   earlier verification told it. Without it, lines that were removed at the\n"
    "                   end do not show.\n"
    "  --help           Print this.\n"
    "\n"
    "Exit code: 0: the chain is whole; 2: it is not; 1: a file cannot be read, or the arguments "
    "are\n"
    "wrong.\n";

static int refuse_usage(const char *what, const char *argument)
{
    fprintf(stderr, "confregd verify: %s%s\n\n%s", what, argument, usage);
    return EXIT_WRONG;
}

int verify(int argc, char **argv)
{
    const char *head = NULL;
    bool audit_log = false;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            printf("%s", usage);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[at], "--audit-log") == 0) {
            audit_log = true;
        } else if (strcmp(argv[at], "--head") == 0 && at + 1 < argc) {
            head = argv[++at];
        } else {
            return refuse_usage("there is no option or no value of ", argv[at]);
        }
    }
    if (!audit_log || at == argc) {
        return refuse_usage("--audit-log and a file are needed", "");
    }
    return audit_verify(argv + at, argc - at, head, stdout);
}
