/* A growing byte string. Zero-initialise it (`struct str s = {0}`); str_fini frees.
 * `data` is NULL until something was added, and NUL-terminated from then on. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct str {
    char *data;
    size_t len;
    size_t room;
};

void str_fini(struct str *s);
/* The same for a string with a secret in it, which is overwritten. */
void str_fini_secret(struct str *s);
/* Empties the string and keeps its memory. */
void str_clear(struct str *s);
/* Keeps only the first len bytes; the string must have at least that many. */
void str_truncate(struct str *s, size_t len);
void str_add(struct str *s, const void *bytes, size_t n);
void str_add_text(struct str *s, const char *text);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes at the end and returns where they start; len grows by n. */
char *str_extend(struct str *s, size_t n);
/* The bytes as a new buf, owned by the caller; the string stays as it is. */
struct buf *str_to_buf(const struct str *s);
/* Never NULL: the text, or "". */
const char *str_text(const struct str *s);

static inline void str_auto_fini(struct str *s)
{
    str_fini(s);
}
#define AUTO_STR __attribute__((cleanup(str_auto_fini))) struct str
#define AUTO_SECRET __attribute__((cleanup(str_fini_secret))) struct str

#endif
