/* Judges a text by itself: whether it stands for a secret without being one, and whether it looks
 * random. Private to secrets/. Pure; any thread. */
#ifndef SECRETS_VALUE_H
#define SECRETS_VALUE_H

#include <stdbool.h>
#include <stddef.h>

/* A value, as its name tells. */
enum name_kind {
    NAME_OTHER,
    NAME_PASSWORD, /* chosen by people, perhaps: shorter and less random */
    NAME_KEY,      /* made by machines */
};

/* A placeholder ("changeme", "<your-token>", "xxxxxxxx") or a made-up example: made of few
 * different characters, of a sequence, or of words that say so. */
bool value_is_placeholder(const char *text, size_t n);

/* Leads to a secret that is kept elsewhere ("${env:NAME}", "vault:…", "secret://…", "/run/…"), or
 * is an encrypted one ("ENC[…", "{cipher}…"). */
bool value_is_reference(const char *text, size_t n);

/* A secret, as its name is of this kind. Looks at the first 256 bytes. */
bool value_is_secret(const char *text, size_t n, enum name_kind kind);

#endif
