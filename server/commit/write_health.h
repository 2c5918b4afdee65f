/* Whether writes can be made, and if not, why. Changes from one to the other are logged. Any
 * thread.
 */
#ifndef COMMIT_WRITE_HEALTH_H
#define COMMIT_WRITE_HEALTH_H

#include "status.h"

#define WRITE_HEALTH_REASON_SIZE 256

struct write_health;

struct write_health *write_health_new(void);
void write_health_free(struct write_health *health);
/* What came of an append; st: NULL where it went well, else why not. */
void write_health_note_append(struct write_health *health, const struct status *st);
/* What came of a look at the log: who cannot read it cannot write to it, either. What an append
 * found out counts more. */
void write_health_note_look(struct write_health *health, bool ok, const struct status *st);
/* Whether all is well; where not, why, into reason. */
bool write_health_is_well(struct write_health *health, char reason[WRITE_HEALTH_REASON_SIZE]);

#endif
