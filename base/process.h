/* Facts about this process, from the system. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "str.h"

/* Appends the process_* families of Prometheus clients: processor time, memory, file descriptors,
 * start time. Values that /proc does not provide are left out. */
void process_metrics(struct str *page);

#endif
