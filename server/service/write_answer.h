/* The responses of the writing methods: each function appends the fields after the header, for a
 * write that succeeded. */
#ifndef SERVICE_WRITE_ANSWER_H
#define SERVICE_WRITE_ANSWER_H

#include "answer.h"

struct write_item;

/* Create, update and rollback: {config = 2, diff = 3}. */
void write_answer_version(const struct write_item *w, struct answer *answer);
/* Delete: {config = 2, deleted_count = 3}. */
void write_answer_delete(const struct write_item *w, struct answer *answer);
/* CommitChanges: {commit = 2}. */
void write_answer_commit(const struct write_item *w, struct answer *answer);
/* Compact: {oldest_revision = 2}. */
void write_answer_compact(const struct write_item *w, struct answer *answer);

#endif
