/* Base64url without padding (RFC 4648, section 5), as JOSE has it. Private to jwt. */
#ifndef JWT_BASE64URL_H
#define JWT_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/* Decodes text at the end of out. False: the text is not what an encoder makes of any bytes: it has
 * a character outside the alphabet ('=' and white space are), a length that cannot be, or bits set
 * behind the last byte. Then out has what was decoded before. */
bool base64url_decode(const char *text, size_t n, struct str *out);

#endif
