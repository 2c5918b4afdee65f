#include "mem.h"

#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size == 0 ? 1 : size));
}

void *mem_array(size_t count, size_t size)
{
    return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *mem_grow(void *p, size_t count, size_t size)
{
    return checked(reallocarray(p, count == 0 ? 1 : count, size == 0 ? 1 : size));
}

char *mem_text(const char *text, size_t n)
{
    char *copy = mem_alloc(n + 1);
    if (n > 0) {
        memcpy(copy, text, n);
    }
    copy[n] = '\0';
    return copy;
}

char *mem_string(const char *text)
{
    return mem_text(text, strlen(text));
}

void mem_free_secret(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}
