/* The address of a connected client as text, in the form of the gRPC core. Any thread. */
#ifndef BASE_PEER_ADDRESS_H
#define BASE_PEER_ADDRESS_H

struct sockaddr_storage;

#define PEER_ADDRESS_SIZE 64

/* "ipv4:ADDRESS:PORT", "ipv6:[ADDRESS]:PORT" or "unix:", to at least PEER_ADDRESS_SIZE bytes. */
void peer_address_text(const struct sockaddr_storage *address, char *ret_text);

#endif
