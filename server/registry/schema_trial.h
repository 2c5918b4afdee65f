/* Trials: a change of a schema is tried before it is made, on the caller's thread, so that the
 * committer has little left to check.
 *
 * A trial is made of the schema's new text and the schemas as readers see them. It knows which
 * schemas the change concerns (the changed one, those that refer to it, and the one that takes the
 * place of a deleted one) and checks values by them. The mutation that makes the change carries the
 * trial. The committer takes its word if it was made of this text and no schema has changed since,
 * and checks only the configs that have changed after the trial had begun; else the change is
 * refused as OUTCOME_SCHEMA_TRIAL_STALE and is to be tried again.
 *
 * Invariant: what a trial that holds has not looked at was changed after its revision.
 *
 * Threads: one at a time; it may be handed over. The registry is borrowed and read only. */
#ifndef REGISTRY_SCHEMA_TRIAL_H
#define REGISTRY_SCHEMA_TRIAL_H

#include "registry.h"

struct schema_trial;

/* environment: of the schema's key. text: the new schema, of json_check; NULL: it is deleted. */
struct schema_trial *schema_trial_new(struct registry *registry, const char *environment,
                                      const char *service, struct buf *text);
/* NULL is ignored. */
void schema_trial_free(struct schema_trial *trial);
MEM_CLEANUP(struct schema_trial, schema_trial_free)

/* Whether no schema has changed since; else another trial has to be made. */
bool schema_trial_is_current(const struct schema_trial *trial);

/* The keys of the schemas that the new text refers to, as rule_reference. */
bool schema_trial_reference(const struct schema_trial *trial, size_t i,
                            const char **ret_environment, const char **ret_service);
/* Whether the schema and those that refer to it are right. INVALID_ARGUMENT SCHEMA_INVALID, with
 * violations that are borrowed from the trial; FAILED_PRECONDITION SCHEMA_REFERENCED. */
bool schema_trial_is_right(struct schema_trial *trial, struct status *st);

/* Whether the trial is asked to go on; false ends it. */
typedef bool schema_trial_goes_on(void *user);

/* Checks the live configs that the change concerns: all, or, after a run that found nothing, those
 * that have changed since. Ends at VALUE_VIOLATIONS_MAX violations. False: it was told to end. Only
 * if the trial is right. */
bool schema_trial_run(struct schema_trial *trial, schema_trial_goes_on *goes_on, void *user);

/* The configs that the change can concern; borrowed. */
struct head_filter schema_trial_filter(const struct schema_trial *trial);
/* Whether a config is among them. */
bool schema_trial_concerns(const struct schema_trial *trial, const char *environment,
                           const char *service);
/* Whether the value of a config keeps the schema that will be in force; so does one that the change
 * does not concern. Else adds violations. *ret_resolved: the schema is about the value merged over
 * the default, and that was checked; set in any case. */
bool schema_trial_check(const struct schema_trial *trial, const char *environment,
                        const char *service, struct json_text value, struct value_report *report,
                        bool *ret_resolved);

#endif
