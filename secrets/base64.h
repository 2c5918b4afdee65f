/* Decodes base64 and base64url (RFC 4648). Private to secrets/. Pure; any thread. */
#ifndef SECRETS_BASE64_H
#define SECRETS_BASE64_H

#include <stddef.h>

/* Decodes up to the first character that is neither of one of the alphabets nor fits into room
 * bytes. Returns how many bytes there are. */
size_t base64_decode(const char *text, size_t n, char *out, size_t room);

#endif
