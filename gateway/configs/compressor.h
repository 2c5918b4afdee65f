/* Compresses the data of configs, once a version, on the worker's thread: 1 MiB takes some 20 ms,
 * which no other request should wait for. Requests that ask for a form that is not there yet wait
 * for it; those of other forms do not notice.
 *
 * The forms belong to the configs (prepared.h), so one that was replaced goes when nobody uses it
 * any more, the window of events included. All of them together hold at most COMPRESSED_BYTES;
 * beyond that, and while COMPRESSIONS_MAX are waiting, answers are plain. HTTP thread. */
#ifndef GATEWAY_COMPRESSOR_H
#define GATEWAY_COMPRESSOR_H

#include "config_request.h"

#define COMPRESSED_BYTES ((size_t)64 << 20)
#define COMPRESSIONS_MAX 64

struct compressor;
struct worker;

/* worker is borrowed. */
struct compressor *compressor_new(struct worker *worker);
/* After worker_free, which drops the compressions under way; every config that has a compressed
 * form must have been freed. NULL is ignored. */
void compressor_free(struct compressor *compressor);

/* Whether the config has no gzip form, and is to have one. */
bool compressor_lacks(struct mirror_config *config);
/* Suspends the request until that form is made; then goes on with over. False: not now. */
bool compressor_wait(struct compressor *compressor, struct request *r, struct mirror_config *config,
                     wait_over *over);

struct compressor_counts {
    uint64_t made;     /* compressed forms */
    size_t held_bytes; /* of those in memory */
};
/* Any thread. */
void compressor_count(const struct compressor *compressor, struct compressor_counts *ret);

#endif
