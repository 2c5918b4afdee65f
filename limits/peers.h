/* Clients as their addresses, for as long as it is not known who they are: parties of addresses
 * (party_key.h), and the connections that they hold. Any thread. */
#ifndef LIMITS_PEERS_H
#define LIMITS_PEERS_H

#include "parties.h"

/* The party of a client's address (peer_address.h), held by the caller until party_release; NULL:
 * it has no limits. */
struct party *limits_peer(struct limits *limits, const char *peer);

/* Counts a connection from an address. True: *ret_party, which may be NULL, is for
 * peer_disconnected. False: the address has too many. */
bool peer_connected(struct limits *limits, const char *peer, struct party **ret_party);
/* The connection has ended. */
void peer_disconnected(struct party *party);

#endif
