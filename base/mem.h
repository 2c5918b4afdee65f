/* Memory: allocation that ends the process when there is none, and cleanup by attribute.
 *
 *     AUTO(buf_unref) struct buf *b = buf_copy(p, n);
 *     …
 *     return MOVE(b);
 *
 * A cleanup function given to AUTO takes the variable's value and accepts NULL; it must have
 * been introduced by MEM_CLEANUP(type, function) after its prototype. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
/* count * size, zeroed; ends the process on overflow. */
void *mem_array(size_t count, size_t size);
/* Grows an array to count items of size bytes; new items are not zeroed. */
void *mem_grow(void *p, size_t count, size_t size);
/* Copies n bytes of text and adds a NUL. */
char *mem_text(const char *text, size_t n);
char *mem_string(const char *text);
/* Overwrites a text that is a secret, then frees it. NULL is ignored. */
void mem_free_secret(char *text);

#define MEM_CLEANUP(type, function)                                                                \
    static inline void function##_cleanup(type **p)                                                \
    {                                                                                              \
        function(*p);                                                                              \
    }
#define AUTO(function) __attribute__((cleanup(function##_cleanup), unused))
#define MOVE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) moved_ = (p);                                                                \
        (p) = NULL;                                                                                \
        moved_;                                                                                    \
    })
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline void free_cleanup(void *p)
{
    free(*(void **)p);
}

#endif
