/* Addresses of sockets as users write them; the only parser of them:
 *
 *     HOST:PORT, [IPV6]:PORT
 *     unix:PATH, unix:///PATH
 *     unix:PATH?mode=0660: to listen on only
 *
 * Without a mode only the owner can connect to a unix socket, whatever the umask, because nobody
 * has to prove there who he is: whoever can connect can do everything. Any thread. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "status.h"

#define ADDRESS_UNIX_MODE 0600 /* without ?mode= */
#define ADDRESS_HOST_SIZE 256  /* with its NUL */
#define ADDRESS_PORT_SIZE 6

enum address_use { ADDRESS_TO_LISTEN, ADDRESS_TO_CONNECT };

struct address {
    bool is_unix;
    char host[ADDRESS_HOST_SIZE]; /* without brackets; "" where is_unix */
    char port[ADDRESS_PORT_SIZE]; /* 0 to 65535 in digits; "" where is_unix */
    struct sockaddr_un name;      /* where is_unix; its sun_path is NUL-terminated */
    mode_t mode;                  /* of the unix socket */
};

/* INVALID_ARGUMENT, reason ADDRESS_INVALID, with what is wrong. */
bool address_parse(const char *text, enum address_use use, struct address *ret_address,
                   struct status *st);
/* Whether only this machine can connect to it: a unix socket, "localhost", 127.0.0.0/8 or ::1. */
bool address_is_local(const struct address *address);
/* Whether this is so of all addresses of a list with commas between. One that is none is not. */
bool address_list_is_local(const char *list);
/* For a listener without TLS. FAILED_PRECONDITION, reason INSECURE_LISTENER: other machines can
 * reach it. text: the address as given to --listen. */
bool address_check_local(const struct address *address, const char *text, struct status *st);

#endif
