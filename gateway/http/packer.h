/* Compresses answers, each for one request, while they are sent: with gzip, on the worker's thread,
 * 256 KiB or one larger part at a time. An answer whose body is complete is compressed as a whole
 * and has a Content-Length.
 *
 * Bounds: PACKINGS_MAX answers at once, which hold some 270 KB each for the compression, beside a
 * part and its compressed form; complete bodies of PACKED_BYTES together. Beyond that, answers are
 * plain. The fast level of gzip is used: each answer is compressed for one client only. HTTP
 * thread. */
#ifndef GATEWAY_PACKER_H
#define GATEWAY_PACKER_H

#include "request.h"

#define PACKINGS_MAX 64
#define PACKED_BYTES ((size_t)64 << 20)
#define PACKED_FROM_BYTES 1024 /* a smaller answer takes one packet in any form */

struct packer;
struct packing;
struct worker;

/* worker is borrowed. */
struct packer *packer_new(struct worker *worker);
/* After worker_free, which drops the packings of clients that have left. NULL is ignored. */
void packer_free(struct packer *packer);
/* Any thread. */
uint64_t packer_count(const struct packer *packer);

/* Adds Vary to an answer of a kind that may be compressed, and starts to compress it if it is worth
 * it and the client accepts that. If the body is complete, the request is then suspended until it
 * is compressed. Not to be called twice for one request. */
void packer_take(struct packer *packer, struct request *r);
/* Writes the next bytes of an answer in parts, which r->packing compresses, as response_pull.read
 * does. */
ssize_t packing_read(struct packing *packing, char *bytes, size_t max);
/* The request ends. NULL is ignored. */
void packing_end(struct packing *packing);

#endif
