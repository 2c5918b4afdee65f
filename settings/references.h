/* References in strings of a config: ${env:NAME} stands for a variable of the environment,
 * ${file:PATH} for the content of a file without white space at its end. They keep secrets out of
 * the registry. Any thread; no state. */
#ifndef SETTINGS_REFERENCES_H
#define SETTINGS_REFERENCES_H

#include "settings.h"

#define REFERENCES_FILE_MAX_BYTES ((size_t)1 << 20)

/* Whether a string of the config has "${". */
bool references_may_be_in(const struct settings *settings);

struct references {
    const struct settings *variables; /* of the environment, by name; strings */
    /* A key of the config is left out, as a reference in its value leads nowhere. The message says
     * which one; it has no value. */
    void (*left_out)(void *user, const struct setting *key, const struct status *st);
    void *user;
};

/* Adds the config's object to *out, with what its references stand for. Waits for the disk. Returns
 * whether one refers to a file, so that the result can become another one. */
bool references_replace(const struct references *references, const struct settings *settings,
                        struct str *out);

#endif
