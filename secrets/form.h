/* Forms of tokens: literals and runs of characters, one after the other. Private to secrets/. Pure;
 * any thread. */
#ifndef SECRETS_FORM_H
#define SECRETS_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct form_part {
    const char *literal; /* else a run: */
    uint16_t mask;       /* of these classes (characters.h) */
    uint16_t min, max;   /* the longest run of so many; mask 0: the form ends here */
};

#define FORM_PARTS 7

#define IS(text)                                                                                   \
    {                                                                                              \
        .literal = (text)                                                                          \
    }
#define RUN(count, classes)                                                                        \
    {                                                                                              \
        .mask = (classes), .min = (count), .max = (count)                                          \
    }
#define FROM(least, most, classes)                                                                 \
    {                                                                                              \
        .mask = (classes), .min = (least), .max = (most)                                           \
    }

/* The length of the form at the beginning of text; 0: it is not there. Behind a run at its end is a
 * boundary: neither a letter, a digit, nor a character of the run follows. */
size_t form_match(const struct form_part parts[FORM_PARTS], const char *text, size_t n);

#endif
