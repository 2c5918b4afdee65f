#include "arena.h"

#include <string.h>

#include "mem.h"

#define BLOCK_BYTES (256u << 10)
#define ALIGNMENT sizeof(void *)

struct arena_block {
    struct arena_block *next;
    _Alignas(ALIGNMENT) char bytes[];
};

static void *take_aligned(struct arena *arena, size_t size, size_t alignment)
{
    size_t begin = (arena->used + alignment - 1) / alignment * alignment;
    if (arena->blocks == NULL || begin + size > arena->room) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct arena_block *block = mem_alloc(sizeof *block + room);
        block->next = arena->blocks;
        arena->blocks = block;
        arena->room = room;
        begin = 0;
    }
    arena->used = begin + size;
    return arena->blocks->bytes + begin;
}

void *arena_take(struct arena *arena, size_t size)
{
    return take_aligned(arena, size, ALIGNMENT);
}

const char *arena_text(struct arena *arena, const char *text, size_t n)
{
    char *copy = take_aligned(arena, n + 1, 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

void arena_fini(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    *arena = (struct arena){.blocks = NULL};
}
