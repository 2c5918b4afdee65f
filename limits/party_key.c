#include "party_key.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define NETWORK_BYTES 8 /* of an IPv6 address */

size_t party_key_of_name(const char *name, char key[PARTY_KEY_SIZE])
{
    int n = snprintf(key, PARTY_KEY_SIZE, "name:%s", name);
    return n < PARTY_KEY_SIZE ? (size_t)n : PARTY_KEY_SIZE - 1;
}

static size_t key_of_ipv6(const char *host, size_t n_host, char key[PARTY_KEY_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    if (n_host < sizeof text) {
        memcpy(text, host, n_host);
        text[n_host] = '\0';
    }
    if (inet_pton(AF_INET6, text, &address) != 1) {
        memset(&address, 0, sizeof address); /* a scoped address: all count as one */
    }
    memcpy(key, "ipv6:", 5);
    memcpy(key + 5, &address, NETWORK_BYTES);
    key[5 + NETWORK_BYTES] = '\0';
    return 5 + NETWORK_BYTES;
}

size_t party_key_of_peer(const char *peer, char key[PARTY_KEY_SIZE])
{
    const char *port = strrchr(peer, ':');
    if (strncmp(peer, "ipv6:[", 6) == 0) {
        return key_of_ipv6(peer + 6, strcspn(peer + 6, "%]"), key);
    }
    if (strncmp(peer, "ipv4:", 5) != 0 || port < peer + 5) {
        return 0;
    }
    size_t n = (size_t)(port - peer) < PARTY_KEY_SIZE ? (size_t)(port - peer) : PARTY_KEY_SIZE - 1;
    memcpy(key, peer, n);
    key[n] = '\0';
    return n;
}
