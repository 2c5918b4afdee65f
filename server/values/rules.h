/* Rules: the schemas of services, compiled, as they are in force for configs.
 *
 * The schema in force for a config is that of its service in its environment; if there is none,
 * that of its service for all environments. A schema can refer to others of the registry:
 * "confreg:/billing" is the schema of the service billing for all environments, and
 * "confreg:/prod/billing" the one for prod. Names are percent-encoded.
 *
 * Compiled schemas are cached. A rule remembers the heads that it was made of, its own schema's and
 * those that it refers to, and holds while they are the same objects; so a rule that was made of
 * heads which never got into the log is found out.
 *
 * Threads: any. A rule is immutable and reference-counted. Nothing is locked while heads are looked
 * up. */
#ifndef VALUES_RULES_H
#define VALUES_RULES_H

#include "head.h"

/* Of the text of a schema, without white space. */
#define RULE_MAX_BYTES ((size_t)256 << 10)
#define RULE_MAX_DEPTH 64

/* Where heads are found: in the registry as its readers see it, or as the committer is about to
 * change it. */
struct head_source {
    /* An owned reference; NULL: there never was one. */
    struct head *(*find)(void *user, const char *environment, const char *service);
    void *user;
};

struct defaults_report;
struct value_report;
struct rule;
struct rules;

struct rules *rules_new(void);
/* NULL is ignored. */
void rules_free(struct rules *rules);

/* Returns an owned reference to the rule in force for a config; NULL: there is none. */
struct rule *rules_find(struct rules *rules, const struct head_source *source,
                        const char *environment, const char *service);
/* Makes the rule of one schema, given its live head; an owned reference. */
struct rule *rules_of(struct rules *rules, const struct head_source *source, struct head *schema);
/* The same, without a look into the cache and without a place in it: for heads that readers do not
 * see. */
struct rule *rule_new(const struct head_source *source, struct head *schema);
void rule_unref(struct rule *rule);
MEM_CLEANUP(struct rule, rule_unref)

/* Whether the rule is about the resolved value ("x-confreg-resolved"), not about the stored one. */
bool rule_is_resolved(const struct rule *rule);
/* The same of the text of a schema. */
bool rule_text_is_resolved(const struct buf *text);
/* The schema's head and text; borrowed. */
const struct head *rule_head(const struct rule *rule);
/* The newest commit that changed its schema or one that it refers to. */
uint64_t rule_revision(const struct rule *rule);
/* The keys of the schemas that it refers to, itself or through others, whether there are any or
 * not; i: from 0 on. False: there are no more. Borrowed. */
bool rule_reference(const struct rule *rule, size_t i, const char **ret_environment,
                    const char **ret_service);
/* Whether the rule was made of this schema, its own or one that it refers to. */
bool rule_depends_on(const struct rule *rule, const char *environment, const char *service);
/* Whether the schema could be compiled. If not, adds what is wrong with it; pointers are into the
 * schema. */
bool rule_is_sound(const struct rule *rule, struct value_report *report);
/* Appends a value with the defaults that its schema has (schema/defaults.h). A schema that is wrong
 * fills nothing in. False: it would be larger than max_bytes, or have too many. */
bool rule_fill_defaults(const struct rule *rule, struct json_text value, bool make_objects,
                        size_t max_bytes, struct str *out, struct defaults_report *report);
/* Whether a value is valid; if not, adds all violations. A schema that cannot be compiled allows no
 * value. config: for the violations; NULL: the config that is written. */
bool rule_check(const struct rule *rule, struct json_text value, const char *config,
                struct value_report *report);

#endif
