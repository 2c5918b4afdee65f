/* The settings of a config: its JSON object, parsed once, so that a look-up costs some nanoseconds.
 *
 * Invariants
 * 1. Settings do not change after they were made. Any thread may read them.
 * 2. settings[0] is the object itself; each other setting comes after its parent.
 * 3. A setting is found by its parent and its name: an index of all settings has a hash of the two.
 *
 * Ownership: settings are reference-counted; a setting and its texts live as long as they do. */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdatomic.h>

#include "json.h"

#define SETTINGS_MAX_BYTES ((size_t)64 << 20)

struct setting {
    enum json_type type;
    uint32_t parent;
    uint32_t index;       /* place among its siblings, from 0 */
    uint32_t child, next; /* its first child, its next sibling; 0: none */
    uint32_t n_children;  /* of an object or an array */
    const char *name;     /* the key, decoded; NULL: an item of an array, or the whole */
    size_t n_name;
    const char *string; /* decoded, with a NUL behind it; NULL: it is no string */
    size_t n_string;
    struct json_text text; /* as it stands in the config, without white space */
    double number;         /* of a number */
    int64_t integer;       /* of a number: without its fraction */
    bool fits_integer;     /* `integer` is that: the number fits into 64 bits */
};

struct settings {
    atomic_uint refs;
    struct buf *text; /* owned; what the texts point into */
    char *strings;    /* owned; the decoded names and strings */
    struct setting *settings;
    uint32_t n;
    uint32_t n_slots; /* a power of two */
    struct settings_slot *slots;
};

struct settings_slot {
    uint32_t hash; /* its upper half */
    uint32_t at;   /* 0: free, as nobody looks for the whole by a name */
};

/* Parses a config's JSON object. Returns one reference. INVALID_ARGUMENT: it is none. */
bool settings_parse(const char *text, size_t n, struct settings **ret_settings, struct status *st);
struct settings *settings_ref(struct settings *settings);
/* NULL is ignored. */
void settings_unref(struct settings *settings);
MEM_CLEANUP(struct settings, settings_unref)

/* The child of a parent by its name: a key, or an index without leading zeros. NULL: there is none.
 */
const struct setting *settings_child(const struct settings *settings, const struct setting *parent,
                                     const char *name, size_t n_name);
/* path: a key of the object, or, with '/' at its beginning, a JSON Pointer (RFC 6901); "" is the
 * whole. NULL: there is none. */
const struct setting *settings_find(const struct settings *settings, const char *path);

static inline const struct setting *settings_whole(const struct settings *settings)
{
    return &settings->settings[0];
}
static inline const struct setting *settings_first(const struct settings *settings,
                                                   const struct setting *parent)
{
    return parent->child == 0 ? NULL : &settings->settings[parent->child];
}
static inline const struct setting *settings_next(const struct settings *settings,
                                                  const struct setting *setting)
{
    return setting->next == 0 ? NULL : &settings->settings[setting->next];
}

#endif
