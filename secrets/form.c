#include "form.h"

#include <string.h>

#include "characters.h"

/* Moves *at behind the part; false: the part is not there. */
static bool match_part(const struct form_part *part, const char *text, size_t n, size_t *at)
{
    size_t left = n - *at;
    if (part->literal != NULL) {
        size_t length = strlen(part->literal);
        bool there = length <= left && memcmp(text + *at, part->literal, length) == 0;
        *at += there ? length : 0;
        return there;
    }
    size_t run = run_of(text + *at, left < part->max ? left : part->max, part->mask);
    *at += run;
    return run >= part->min;
}

size_t form_match(const struct form_part parts[FORM_PARTS], const char *text, size_t n)
{
    size_t at = 0;
    unsigned last = 0;
    for (size_t i = 0; i < FORM_PARTS && (parts[i].literal != NULL || parts[i].mask != 0); i++) {
        if (!match_part(&parts[i], text, n, &at)) {
            return 0;
        }
        last = parts[i].mask;
    }
    return at < n && last != 0 && is_in(text[at], ALNUM | last) ? 0 : at;
}
