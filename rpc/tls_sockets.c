#include "tls_sockets.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "mem.h"

/* In two levels, so that a look-up needs no lock and few descriptors little memory. */
#define CHUNK 1024

struct sessions_chunk {
    _Atomic(struct tls_session *) sessions[CHUNK];
};

static _Atomic(struct sessions_chunk *) chunks[TLS_SOCKETS_MAX / CHUNK];

static struct sessions_chunk *make_chunk(size_t at)
{
    struct sessions_chunk *none = NULL;
    struct sessions_chunk *made = mem_zalloc(sizeof *made);
    if (atomic_compare_exchange_strong(&chunks[at], &none, made)) {
        return made;
    }
    free(made);
    return none;
}

/* NULL: no session was ever put there. */
static struct sessions_chunk *chunk_of(int fd)
{
    return fd < 0 || fd >= TLS_SOCKETS_MAX
               ? NULL
               : atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire);
}

void tls_sockets_put(int fd, struct tls_session *session)
{
    assert(fd >= 0 && fd < TLS_SOCKETS_MAX && "others were refused");
    struct sessions_chunk *chunk = chunk_of(fd);
    chunk = chunk == NULL ? make_chunk((size_t)fd / CHUNK) : chunk;
    struct tls_session *before = atomic_exchange(&chunk->sessions[fd % CHUNK], session);
    assert(before == NULL && "a closed descriptor has lost its session");
}

struct tls_session *tls_sockets_find(int fd)
{
    struct sessions_chunk *chunk = chunk_of(fd);
    return chunk == NULL ? NULL
                         : atomic_load_explicit(&chunk->sessions[fd % CHUNK], memory_order_acquire);
}

struct tls_session *tls_sockets_take(int fd)
{
    struct sessions_chunk *chunk = chunk_of(fd);
    return chunk == NULL ? NULL : atomic_exchange(&chunk->sessions[fd % CHUNK], NULL);
}
