/* The documented notification of a change (docs/protocol.md). */
#ifndef RELAY_NOTIFICATION_H
#define RELAY_NOTIFICATION_H

#include "commit.h"
#include "str.h"

/* "config.created", "config.updated" or "config.deleted"; NULL where the change is not told. */
const char *notification_routing_key(const struct change *change);

/* The notification of a change that is told, as JSON text at the end of out:
 * {"event_type", "service_name", "environment", "version", "timestamp", "change_type", "comment"}.
 */
void notification_render(const struct commit *commit, size_t index, struct str *out);

#endif
