/* Immutable, reference-counted bytes: payloads, encoded heads, encoded events.
 *
 * The creator fills `data` before it shares the buf; afterwards nobody writes to it. References may
 * be taken and released on any thread. */
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

/* Returns a new buf of len bytes, uninitialised except for the NUL after them; owned by the caller.
 */
struct buf *buf_new(size_t len);
struct buf *buf_copy(const void *bytes, size_t len);
/* Takes a reference and returns b. NULL is returned for NULL. */
struct buf *buf_ref(struct buf *b);
/* Releases a reference; the last one frees the buf. NULL is ignored. */
void buf_unref(struct buf *b);

MEM_CLEANUP(struct buf, buf_unref)

#endif
