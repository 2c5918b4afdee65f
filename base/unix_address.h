/* Addresses of unix sockets: "unix:PATH" or "unix:///PATH", and to listen on also
 * "unix:PATH?mode=0660". Without a mode only the owner can connect, whatever the umask, because
 * there is no authentication: whoever can connect can do everything. Any thread. */
#ifndef BASE_UNIX_ADDRESS_H
#define BASE_UNIX_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "status.h"

#define UNIX_SOCKET_MODE 0600 /* without ?mode= */

struct unix_address {
    struct sockaddr_un name; /* its sun_path is NUL-terminated */
    mode_t mode;
    bool has_mode; /* the address has ?mode= */
};

bool unix_address_is(const char *address);
/* address must satisfy unix_address_is. INVALID_ARGUMENT, reason ADDRESS_INVALID: the path is empty
 * or too long, or something other than "?mode=" with three or four octal digits follows it. */
bool unix_address_parse(const char *address, struct unix_address *ret_address, struct status *st);

#endif
