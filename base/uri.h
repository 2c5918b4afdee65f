/* Addresses of the form scheme://user:password@host/path?parameters, for people to read. */
#ifndef BASE_URI_H
#define BASE_URI_H

#include "str.h"

/* Appends the address without what may be secret: user and password, and the parameters. Other
 * texts ("sqlite:FILE") stay as they are. */
void uri_add_public(struct str *out, const char *uri);

#endif
