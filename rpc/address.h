/* Addresses as users write them: "HOST:PORT", "[v6]:PORT", "unix:PATH". */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "status.h"

/* INVALID_ARGUMENT, reason ADDRESS_INVALID, where it is none of the forms. */
bool address_check(const char *address, struct status *st);
/* For clients: also refuses the ?mode= of a unix socket, which is for listening only. */
bool address_check_peer(const char *address, struct status *st);

#endif
