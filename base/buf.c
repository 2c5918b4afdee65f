#include "buf.h"

#include <assert.h>
#include <string.h>

struct buf *buf_new(size_t len)
{
    struct buf *b = mem_alloc(sizeof *b + len + 1);
    atomic_init(&b->refs, 1);
    b->len = len;
    b->data[len] = '\0';
    return b;
}

struct buf *buf_copy(const void *bytes, size_t len)
{
    struct buf *b = buf_new(len);
    if (len > 0) {
        memcpy(b->data, bytes, len);
    }
    return b;
}

struct buf *buf_ref(struct buf *b)
{
    if (b != NULL) {
        unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
        assert(before > 0 && "a reference is made from another");
    }
    return b;
}

void buf_unref(struct buf *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        free(b);
    }
}
