#include "str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void str_fini(struct str *s)
{
    if (s != NULL) {
        free(s->data);
        *s = (struct str){0};
    }
}

void str_fini_secret(struct str *s)
{
    if (s->data != NULL) {
        explicit_bzero(s->data, s->room);
    }
    str_fini(s);
}

void str_clear(struct str *s)
{
    str_truncate(s, 0);
}

void str_truncate(struct str *s, size_t len)
{
    assert(len <= s->len && "a string is cut to what it has");
    s->len = len;
    if (s->data != NULL) {
        s->data[len] = '\0';
    }
}

char *str_extend(struct str *s, size_t n)
{
    assert((s->room == 0 ? s->len == 0 : s->len < s->room) && "there is room for the NUL");
    size_t need = s->len + n + 1;
    if (need > s->room) {
        size_t room = s->room < 64 ? 64 : s->room * 2;
        s->room = room < need ? need : room;
        s->data = mem_grow(s->data, s->room, 1);
    }
    char *start = s->data + s->len;
    s->len += n;
    s->data[s->len] = '\0';
    return start;
}

void str_add(struct str *s, const void *bytes, size_t n)
{
    char *start = str_extend(s, n);
    if (n > 0) {
        memcpy(start, bytes, n);
    }
}

void str_add_text(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
    str_add(s, &c, 1);
}

void str_addf(struct str *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n > 0) {
        char *start = str_extend(s, (size_t)n);
        vsnprintf(start, (size_t)n + 1, format, again);
    }
    va_end(again);
}

struct buf *str_to_buf(const struct str *s)
{
    return buf_copy(s->data, s->len);
}

const char *str_text(const struct str *s)
{
    return s->data == NULL ? "" : s->data;
}
