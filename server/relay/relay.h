/* The relay: puts every change of the log on the bus, in revision order, as the documented
 * notification. The committer calls it after a commit is durable; the counter may be read anywhere.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "bus.h"
#include "commit.h"

struct relay;

/* Both are borrowed and must outlive it. epoch: 16 hexadecimal digits. */
struct relay *relay_new(struct bus *bus, const char *epoch);
void relay_free(struct relay *relay);

/* Publishes the commit's changes. A change that the bus does not take is logged and counted as not
 * sent. */
void relay_commit(struct relay *relay, const struct commit *commit);
/* Changes published since the start. */
uint64_t relay_sent(const struct relay *relay);

/* The notification of one change as JSON text at the end of out:
 * {"event_type", "service_name", "environment", "version", "timestamp", "change_type", "comment"}.
 */
void relay_render(const struct commit *commit, size_t index, struct str *out);

#endif
