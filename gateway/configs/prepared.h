/* Cached answers for each config of the mirror: 200 with the config's data and headers, formatted
 * once, plain and (compressor.h) compressed. They are attached to the mirror's config when it is
 * first asked for, and freed with it. HTTP thread, but prepared_free. */
#ifndef GATEWAY_PREPARED_H
#define GATEWAY_PREPARED_H

#include "coding.h"
#include "mirror.h"

/* Smaller data is not compressed: the answer would still take one packet. */
#define COMPRESSED_FROM_BYTES 1024

struct compression;
struct http_prepared;

struct prepared {
    struct http_prepared *forms[2]; /* by enum coding; NULL: there is none (not the plain one) */
    struct str gzip;                /* the body of that form */
    struct compression *pending;    /* borrowed; NULL: it is not being made */
    atomic_size_t *held;            /* borrowed; gzip.len counts in it */
};

/* Of a config that has data; borrowed, lives as long as the reference to the config. */
struct prepared *prepared_of(struct mirror_config *config);
/* Adds the gzip form, which was pending. gzip: its body, moved. held: see struct prepared. */
void prepared_add_gzip(struct mirror_config *config, struct str *gzip, atomic_size_t *held);
/* For mirror_options; any thread. */
void prepared_free(void *prepared);

#endif
