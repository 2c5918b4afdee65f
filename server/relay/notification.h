/* The notification that is published for a change (docs/protocol.md). Pure functions; any thread.
 */
#ifndef RELAY_NOTIFICATION_H
#define RELAY_NOTIFICATION_H

#include "commit.h"
#include "str.h"

/* "config.created", "config.updated" or "config.deleted"; NULL: the change is not published:
 * it is of a schema, or of the whole registry. */
const char *notification_routing_key(const struct change *change);

/* Appends the notification of a published change to out, as JSON text:
 * {"event_type", "service_name", "environment", "version", "timestamp", "change_type", "comment",
 * "created_by"}. */
void notification_render(const struct commit *commit, size_t index, struct str *out);

#endif
