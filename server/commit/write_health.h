/* Whether writes are possible, and if not, why. Transitions are logged. Any thread. */
#ifndef COMMIT_WRITE_HEALTH_H
#define COMMIT_WRITE_HEALTH_H

#include "status.h"

#define WRITE_HEALTH_REASON_SIZE 256

struct write_health;

struct write_health *write_health_new(void);
void write_health_free(struct write_health *health);
/* Notes the result of an append; st: NULL if it succeeded. */
void write_health_note_append(struct write_health *health, const struct status *st);
/* Notes the result of a look at the log: a log that cannot be read cannot be written either. The
 * result of an append has precedence. */
void write_health_note_look(struct write_health *health, bool ok, const struct status *st);
/* Whether writes are possible; if not, fills reason. */
bool write_health_is_well(struct write_health *health, char reason[WRITE_HEALTH_REASON_SIZE]);

#endif
