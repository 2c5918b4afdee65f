/* Defaults of schemas in answers: GetConfig with apply_defaults, GetSchema with include_defaults.
 */
#ifndef SERVICE_FILL_DEFAULTS_H
#define SERVICE_FILL_DEFAULTS_H

#include "answer.h"

/* Replaces *config (owned), as encode_config makes it, by the same with the defaults of the schema
 * in force for it, and adds the pointers to them to the answer. RESOURCE_EXHAUSTED
 * DEFAULTS_TOO_LARGE; *config is as it was. */
bool fill_defaults(struct service *service, struct buf **config, struct answer *answer,
                   struct status *st);

/* Adds the defaults of a live schema to the answer, given its key. The same error. */
bool add_defaults(struct service *service, const char *environment, const char *service_name,
                  struct answer *answer, struct status *st);

#endif
