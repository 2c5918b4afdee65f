/* The store's copy of the heads: which heads it lacks, and saving them.
 *
 * Heads are saved when many have changed, when many commits came, when nothing came for a while,
 * and at the end: a start reads the copy and replays the log behind it. A round saves all that have
 * changed, in portions; the last one moves the mark HEADS. Upkeep's thread. */
#ifndef UPKEEP_HEADS_H
#define UPKEEP_HEADS_H

#include "news.h"

struct head_saver;

/* position: where the registry stands. Both are borrowed. */
struct head_saver *head_saver_new(struct store *store, const struct registry *registry,
                                  const struct position *position);
void head_saver_free(struct head_saver *saver);

/* Finds the heads of the registry that the store's copy lacks, as after a crash. Before all else.
 */
void head_saver_find(struct head_saver *saver);
/* These have changed; their references move out of the news. */
void head_saver_add(struct head_saver *saver, struct news *news);
/* Something has changed since the last round. */
bool head_saver_has_unsaved(const struct head_saver *saver);
/* Whether there is a portion to save. force: however few have changed. */
bool head_saver_is_due(const struct head_saver *saver, bool force);
/* Saves one portion, where it ended well one more. *ret_done: it was the last one of its round.
 * Where one fails, its round is over, and what it has not saved is left to the next one.
 * UNAVAILABLE, reason LOG_CHANGED: a shared store's log does not have the commit that the registry
 * stands at; faults of the store. */
bool head_saver_step(struct head_saver *saver, bool *ret_done, struct status *st);
/* Through this revision all are saved, as of the last round. */
uint64_t head_saver_saved(const struct head_saver *saver);

#endif
