/* Addresses of unix sockets: "unix:PATH", "unix:///PATH", and for listening
 * "unix:PATH?mode=0660". A socket that is given no mode is for its owner only, whatever the umask:
 * whoever may connect may do everything. Any thread. */
#ifndef BASE_UNIX_ADDRESS_H
#define BASE_UNIX_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "status.h"

#define UNIX_SOCKET_MODE 0600 /* of a socket whose address says nothing else */

struct unix_address {
    struct sockaddr_un name; /* its sun_path is NUL-terminated */
    mode_t mode;
    bool has_mode; /* the address says which */
};

bool unix_address_is(const char *address);
/* address: one that unix_address_is. INVALID_ARGUMENT, reason ADDRESS_INVALID, where the path is
 * empty or too long, or what follows it is not "?mode=" and three or four octal digits. */
bool unix_address_parse(const char *address, struct unix_address *ret_address, struct status *st);

#endif
