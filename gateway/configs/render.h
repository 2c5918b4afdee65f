/* Renders the JSON of answers. Payloads are copied byte for byte.
 *
 * A payload may be gone: erased, compacted, or omitted from a message that was full. Functions that
 * render a payload then append nothing and return false; the caller chooses the answer. */
#ifndef GATEWAY_RENDER_H
#define GATEWAY_RENDER_H

#include "config_counts.h"
#include "confreg/v1/registry.pb-c.h"
#include "document.h"
#include "json.h"
#include "mirror.h"
#include "str.h"

#define MUST_USE __attribute__((warn_unused_result))

/* Config documents, at the end of out:
 *     {"service_name", "environment", "version", "config_data", "created_at", "updated_at",
 *      "created_by", "comment"}
 * Texts that a writer did not give are those of texts.h. An author that is given and empty stays
 * so. A version that is not live has "deleted": true, too. members: DOCUMENT_…, those to render;
 * without DOCUMENT_DATA the payload may be gone. */
MUST_USE bool render_config(struct str *out, const Confreg__V1__Config *config, unsigned members);
MUST_USE bool render_mirrored(struct str *out, const struct mirror_config *config,
                              unsigned members);
MUST_USE bool render_version(struct str *out, const char *service, const char *environment,
                             const Confreg__V1__Version *version, unsigned members);
/* Schemas: {"service_name", "environment", "version", "schema", "created_at", "created_by",
 * "comment"} */
MUST_USE bool render_schema(struct str *out, const Confreg__V1__Config *schema);
MUST_USE bool render_schema_version(struct str *out, const char *service, const char *environment,
                                    const Confreg__V1__Version *version);
/* A deleted config: {"service_name", "environment", "version", "deleted_at", "deleted_by",
 * "comment", "revision"}. version: the last number; the rest is of the delete. */
void render_deleted(struct str *out, const Confreg__V1__Config *config);
/* "environment":TEXT, without a comma. null if it is empty, as of a schema for all environments. */
void render_environment(struct str *out, const char *environment);
/* {"service_name", "environment", "old_version", "new_version", "added", "removed", "changed"} */
void render_diff(struct str *out, const Confreg__V1__Diff *diff);
/* The same and "json_patch", an array (RFC 6902), which is absent where the server left it out. */
void render_diff_and_patch(struct str *out, const Confreg__V1__Diff *diff);

/* Members shared by /health and /stats, without braces around them. */
void render_counters(struct str *out, const struct counters *counters, bool with_deleted);

#endif
