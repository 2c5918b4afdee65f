/* Tells operators of a write whose values look like secrets: a line in the log, and counters by
 * rule. Neither has anything of a value. Any thread. */
#ifndef SERVICE_SECRET_NOTICE_H
#define SERVICE_SECRET_NOTICE_H

#include "registry.h"

/* Once for each write that was made or refused. mutations: those that the suspects' places name. */
void secret_notice(const struct registry *registry, const struct suspects *suspects,
                   const struct mutation *mutations);

#endif
