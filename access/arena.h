/* Memory that is taken in small pieces and given back all at once. Private to access. One thread at
 * a time. */
#ifndef ACCESS_ARENA_H
#define ACCESS_ARENA_H

#include <stddef.h>

struct arena_block;

/* Zeroed: empty. */
struct arena {
    struct arena_block *blocks; /* the newest first */
    size_t used, room;          /* of the newest */
};

/* size bytes, aligned for pointers, not zeroed. Valid until arena_fini. */
void *arena_take(struct arena *arena, size_t size);
/* A copy with a NUL. */
const char *arena_text(struct arena *arena, const char *text, size_t n);
void arena_fini(struct arena *arena);

#endif
