/* Reading the past out of the log. These functions wait on the disk: worker threads only. */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include "registry.h"
#include "store.h"

/* The encoded Config of a config as it stood at a revision (see encode_config), owned; NULL where
 * it had no head then. A payload that has been erased since is told as erased. Faults of the store.
 */
bool history_config_at(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st);

/* The same of a head that is at hand: as it is now, or was at any time not before that revision. */
bool history_config_as_of(struct store *store, const struct head *head, uint64_t revision,
                          struct buf **ret_config, struct status *st);

/* Like history_config_as_of, for lists, whose entries always have payloads. A version that has been
 * erased since is skipped as if it had never existed: the result is the newest remaining version
 * below it, or NULL. ABORTED, reason PAGE_TOKEN_COMPACTED: compaction has removed the payload. */
bool history_listed_config(struct store *store, const struct head *head, uint64_t revision,
                           struct buf **ret_config, struct status *st);

/* The same by name, from memory where the head is as old as that, of a revision that the registry
 * has reached. */
bool history_find_config(struct store *store, const struct registry *registry,
                         const char *environment, const char *service, uint64_t revision,
                         struct buf **ret_config, struct status *st);

/* The encoded Config that a change replaced or took, owned; NULL where it did neither. A payload
 * that has been erased since is told as erased. Faults of the store. */
bool history_config_before(struct store *store, const struct commit *commit, size_t index,
                           struct buf **ret_config, struct status *st);

/* Visits the live versions of a config from `from` down, newest first. One that the log lacks is
 * DATA_LOSS. */
bool history_versions(struct store *store, const struct head *head, uint64_t from,
                      bool with_payloads, store_version_visitor *visit, void *user,
                      struct status *st);

#endif
