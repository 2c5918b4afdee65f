/* Shared by the fuzz targets. Each target is a libFuzzer program. Besides not crashing, the parsers
 * must keep the promises that the target checks with MUST. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input, taken from the front. */
struct input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t take_byte(struct input *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

/* Up to the next newline, which is left out, or all that is left; on the heap, with a NUL. */
static inline char *take_line(struct input *in, size_t *ret_size)
{
    const uint8_t *end = in->size == 0 ? NULL : memchr(in->data, '\n', in->size);
    size_t n = end == NULL ? in->size : (size_t)(end - in->data);
    char *line = malloc(n + 1);
    MUST(line != NULL);
    if (n > 0) {
        memcpy(line, in->data, n);
    }
    line[n] = '\0';
    in->data += n;
    in->size -= n;
    take_byte(in);
    if (ret_size != NULL) {
        *ret_size = n;
    }
    return line;
}

#endif
