/* The key by which a party is counted. */
#ifndef LIMITS_PARTY_KEY_H
#define LIMITS_PARTY_KEY_H

#include <stddef.h>

#define PARTY_KEY_SIZE 320

/* Writes the key of a principal with this name, and its NUL. Returns its length. A name that does
 * not fit is cut. */
size_t party_key_of_name(const char *name, char key[PARTY_KEY_SIZE]);
/* The same of a client's address (peer_address.h) without its port. Of an IPv6 address the first 64
 * bits count, because a client commonly has all addresses behind these. 0: a unix socket, whose
 * clients are told apart by nothing and are let in by the mode of its file; they have no limits. */
size_t party_key_of_peer(const char *peer, char key[PARTY_KEY_SIZE]);

#endif
