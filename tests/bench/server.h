/* A confregd as a child process, and what any process takes. Anything that goes wrong ends the
 * program. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <sys/types.h>

struct server {
    const char *program;
    const char *folder; /* of its store */
    int port, metrics_port;
    pid_t pid;
};

/* Returns when it serves, on the ports that it is given, or (0) on free ones. */
void server_start(struct server *server);
void server_stop(struct server *server);
/* What its metrics page says. */
double server_metric(const struct server *server, const char *name);

double resident_bytes(pid_t pid);
/* Of all its threads, user and system. */
double cpu_seconds(pid_t pid);

#endif
