/* JSON texts of answers. Payloads are copied byte for byte. */
#ifndef GATEWAY_RENDER_H
#define GATEWAY_RENDER_H

#include "confreg/v1/registry.pb-c.h"
#include "gateway.h"
#include "mirror.h"
#include "str.h"

/* Config documents, at the end of out:
 *     {"service_name", "environment", "version", "config_data", "created_at", "updated_at",
 *      "created_by", "comment"}
 * The texts that a writer did not give are made here: "system", and a comment after the kind of
 * change. An author that is given and empty stays so. */
void render_config(struct str *out, const Confreg__V1__Config *config);
/* One that has its data. */
void render_mirrored(struct str *out, const struct mirror_config *config);
void render_version(struct str *out, const char *service, const char *environment,
                    const Confreg__V1__Version *version);

/* {"service_name", "environment", "old_version", "new_version", "added", "removed", "changed"} */
void render_diff(struct str *out, const Confreg__V1__Diff *diff);

/* Members shared by /health and /stats, without braces around them. */
void render_counters(struct str *out, const struct counters *counters, bool with_deleted);

#endif
