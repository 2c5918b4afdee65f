/* Reads of past states: what a config was as of an older revision, from the store's log.
 *
 * These functions block on the store: call them on threads of the worker pool (work/pool.h) only.
 * Results are encoded Config messages (see encode_config), owned by the caller. Errors of the store
 * are passed on. */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include "registry.h"
#include "store.h"

/* Answers the registry's questions about the log from the store, which is borrowed. May be used on
 * the committer's thread. */
struct version_source history_source(struct store *store);

/* The config as of a revision; NULL: it had no head then. If its payload has been removed since,
 * payload_state says so. */
bool history_config_at(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st);

/* The same, given a head that was current at or after that revision: saves the read if the head is
 * not newer. */
bool history_config_as_of(struct store *store, const struct head *head, uint64_t revision,
                          struct buf **ret_config, struct status *st);

/* Like history_config_as_of, for lists, whose entries always have payloads. A version that has been
 * erased since is skipped as if it had never existed: the result is the newest remaining version
 * below it, or NULL. ABORTED PAGE_TOKEN_COMPACTED: compaction has removed the payload. */
bool history_listed_config(struct store *store, struct head *head, uint64_t revision,
                           struct buf **ret_config, struct status *st);

/* The same for 1 to HISTORY_AT_ONCE heads of different configs that are newer than the revision:
 * usually by two reads for all of them. On failure, no config is handed out. */
#define HISTORY_AT_ONCE 16
bool history_past_configs(struct store *store, struct head *const *heads, size_t n,
                          uint64_t revision, struct buf **ret_configs, struct status *st);

/* Like history_config_as_of, by name; the head is taken from the registry, which must have reached
 * the revision. */
bool history_find_config(struct store *store, const struct registry *registry,
                         const char *environment, const char *service, uint64_t revision,
                         struct buf **ret_config, struct status *st);

/* The mod_revision of the head that a change replaced: this commit's if an earlier change of it
 * made that head, else an older commit's. 0: there was no head. */
bool history_revision_before(struct store *store, const struct commit *commit, size_t index,
                             uint64_t *ret_revision, struct status *st);

/* The head that change `index` of the commit replaced or removed; NULL: it did neither. If its
 * payload has been removed since, payload_state says so. */
bool history_config_before(struct store *store, const struct commit *commit, size_t index,
                           struct buf **ret_config, struct status *st);

/* Which versions of a config are meant. */
enum history_scope {
    HISTORY_LIVE,
    HISTORY_KEPT, /* also those that are not live; erased ones are never meant */
};
/* Whether the scope has the version, how many it has, and the newest one below `version` (0: none).
 * head may be NULL. Do not block. */
bool history_has(const struct head *head, enum history_scope scope, uint64_t version);
uint64_t history_count(const struct head *head, enum history_scope scope);
uint64_t history_before(const struct head *head, enum history_scope scope, uint64_t version);

/* Visits the versions of a scope, newest first, starting with version `from` or the next one below
 * it. The visitor ends the walk by returning false. DATA_LOSS LOG_DAMAGED: a version is missing
 * from the log; on a shared store UNAVAILABLE if a second read finds it. */
bool history_versions(struct store *store, const struct head *head, enum history_scope scope,
                      uint64_t from, bool with_payloads, store_version_visitor *visit, void *user,
                      struct status *st);

/* The change that deleted a config as of a revision, given a head that was current at or after that
 * revision. commit NULL: the config was not deleted then. */
bool history_find_delete(struct store *store, const struct head *head, uint64_t revision,
                         struct version_ref *ret_change, struct status *st);

#endif
