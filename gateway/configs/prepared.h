/* A cached answer for each config of the mirror: 200 with the config's data and headers, formatted
 * once. It is attached to the mirror's config when that is first asked for, and freed with it. */
#ifndef GATEWAY_PREPARED_H
#define GATEWAY_PREPARED_H

#include "mirror.h"

struct http_prepared;

/* The answer for a config that has data; borrowed, lives as long as the reference to the config. */
struct http_prepared *prepared_of(struct mirror_config *config);
/* For mirror_options. */
void prepared_free(void *prepared);

#endif
