/* Immutable, reference-counted bytes: payloads, encoded heads, encoded events.
 *
 * The creator fills `data` before it shares the buf; from then on nobody writes to it.
 * References may be taken and given back on any thread. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

struct buf {
    atomic_uint refs;
    size_t len;
    uint8_t data[]; /* len bytes and a NUL */
};

/* A new buf of len bytes, not initialised but for the NUL behind them; owned by the caller. */
struct buf *buf_new(size_t len);
struct buf *buf_copy(const void *bytes, size_t len);
/* Returns b with one more reference. NULL gives NULL. */
struct buf *buf_ref(struct buf *b);
/* Gives one reference back; the last one frees. NULL is ignored. */
void buf_unref(struct buf *b);

MEM_CLEANUP(struct buf, buf_unref)

#endif
