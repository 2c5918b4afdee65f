/* What the system says of this process. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "str.h"

/* Adds the process_* families that every Prometheus client has: processor time, memory, file
 * descriptors, start. What /proc does not tell is left out. */
void process_metrics(struct str *page);

#endif
