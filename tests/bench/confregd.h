/* A confregd as a child process, and what any process takes. Anything that goes wrong ends the
 * program. */
#ifndef BENCH_CONFREGD_H
#define BENCH_CONFREGD_H

#include <sys/types.h>

struct confregd {
    const char *program;
    const char *folder; /* of its store */
    const char *access; /* its access file, beside which others may do everything; NULL: none */
    int port, metrics_port;
    pid_t pid;
};

/* Returns when it serves, on the ports that it is given, or (0) on free ones. */
void confregd_start(struct confregd *confregd);
void confregd_stop(struct confregd *confregd);
/* A value of its metrics page. */
double confregd_metric(const struct confregd *confregd, const char *name);

double resident_bytes(pid_t pid);
/* Of all its threads, user and system. */
double cpu_seconds(pid_t pid);

#endif
