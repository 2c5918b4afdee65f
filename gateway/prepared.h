/* Answers whose head is made once: 200 with a config's data and its headers, attached to the
 * mirror's config when it is first asked for, and gone with it. */
#ifndef GATEWAY_PREPARED_H
#define GATEWAY_PREPARED_H

#include "mirror.h"

struct http_prepared;

/* The answer for a config that has data; borrowed, lives as long as the reference to the config. */
struct http_prepared *prepared_of(struct mirror_config *config);
/* For mirror_options. */
void prepared_free(void *prepared);

#endif
