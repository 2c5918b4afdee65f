/* Addresses as users write them: "HOST:PORT", "[v6]:PORT", "unix:PATH". */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "status.h"

/* The PATH of "unix:PATH" and "unix:///PATH", pointing into address; NULL where it is none. */
const char *address_unix_path(const char *address);

/* INVALID_ARGUMENT, reason ADDRESS_INVALID, where it is none of the forms. */
bool address_check(const char *address, struct status *st);

#endif
