/* Keeps the store's copy of the heads up to date. A start loads the copy and replays the log after
 * it, so the copy bounds the time of a start.
 *
 * A round saves all changed heads, in portions; the last portion moves the mark HEADS. A round
 * starts when many heads have changed, after many commits, when no commits come for a while, and at
 * the end. Upkeep's thread. */
#ifndef UPKEEP_HEADS_H
#define UPKEEP_HEADS_H

#include "news.h"

struct head_saver;

/* position: the registry's last commit; copied. Store and registry are borrowed. */
struct head_saver *head_saver_new(struct store *store, const struct registry *registry,
                                  const struct position *position);
void head_saver_free(struct head_saver *saver);

/* Finds heads that the store's copy lacks, as after a crash. Must be the first call. */
void head_saver_find(struct head_saver *saver);
/* Takes the changed heads, and their references, out of the news. */
void head_saver_add(struct head_saver *saver, struct news *news);
/* Whether a head has changed since the last round began. */
bool head_saver_has_unsaved(const struct head_saver *saver);
/* Whether a portion is to be saved now. force: even if few heads have changed. */
bool head_saver_is_due(const struct head_saver *saver, bool force);
/* Saves one portion. *ret_done: it was the last of its round. A failure ends the round; the next
 * one saves the rest. UNAVAILABLE LOG_CHANGED: the log of a shared store does not have the
 * registry's last commit. Other errors: those of the store. */
bool head_saver_step(struct head_saver *saver, bool *ret_done, struct status *st);
/* The revision through which the last complete round saved all heads. */
uint64_t head_saver_saved(const struct head_saver *saver);

#endif
