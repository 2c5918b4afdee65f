#include "unknown.h"

#include <string.h>
#include <strings.h>

#include "percent.h"
#include "utf8.h"

#define IGNORED_BYTES 1000 /* of the header's value */
#define NAME_BYTES 32      /* longer ones are near to none */
#define NEAR 2             /* edits between two names that are near */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return strncasecmp(&a, &b, 1) == 0;
}

/* How many insertions, deletions and replacements of letters make b of a (Levenshtein), without
 * case. Both have at most NAME_BYTES. */
static size_t edits_between(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[NAME_BYTES + 1]; /* from the letters of a so far to each beginning of b */
    for (size_t k = 0; k <= n_b; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= n_b; k++) {
            size_t replaced = diagonal + !same_letter(a[i - 1], b[k - 1]);
            diagonal = row[k];
            row[k] = least(replaced, least(row[k], row[k - 1]) + 1);
        }
    }
    return row[n_b];
}

bool is_known_name(const struct str *name, const struct known_names *known)
{
    for (size_t i = 0; i < known->n; i++) {
        if (name->len == strlen(known->names[i]) && strcmp(str_text(name), known->names[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *unknown_nearest(const struct str *name, const struct known_names *known)
{
    const char *found = NULL;
    size_t fewest = NEAR + 1;
    for (size_t i = 0; i < known->n && name->len > 1 && name->len <= NAME_BYTES; i++) {
        const char *candidate = known->names[i];
        size_t edits = edits_between(name->data, name->len, candidate, strlen(candidate));
        if (strncasecmp(candidate, name->data, name->len) == 0) {
            edits = least(edits, NEAR); /* "env" is short for "environment" */
        }
        if (edits < fewest && edits < name->len) {
            fewest = edits;
            found = candidate;
        }
    }
    return found;
}

void unknown_refuse(struct invalid *invalid, const char *place, const struct str *name,
                    const struct known_names *known)
{
    AUTO_STR encoded = {0};
    AUTO_STR message = {0};
    struct status st;
    const char *near = unknown_nearest(name, known);
    bool is_text = text_check(str_text(name), name->len, SIZE_MAX, "name", &st);
    if (!is_text) { /* a message is UTF-8 */
        percent_encode(str_text(name), name->len, &encoded);
    }
    str_add_text(&message, "Extra inputs are not permitted");
    if (near != NULL) {
        str_addf(&message, "; did you mean %s?", near);
    }
    invalid_add(invalid, place, str_text(is_text ? name : &encoded), FAULT_UNKNOWN, message.data);
}

void unknown_ignore(struct str *ignored, const struct str *name)
{
    AUTO_STR encoded = {0};
    percent_encode(str_text(name), name->len, &encoded);
    if (encoded.len == 0 || ignored->len + encoded.len + 2 > IGNORED_BYTES) {
        return;
    }
    str_add_text(ignored, ignored->len == 0 ? "" : ", ");
    str_add(ignored, encoded.data, encoded.len);
}
