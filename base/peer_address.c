#include "peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

void peer_address_text(const struct sockaddr_storage *address, char *ret_text)
{
    char text[INET6_ADDRSTRLEN];
    if (address->ss_family == AF_UNIX) { /* its clients have no address */
        snprintf(ret_text, PEER_ADDRESS_SIZE, "unix:");
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        unsigned port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
            snprintf(ret_text, PEER_ADDRESS_SIZE, "ipv4:%s:%u", text, port);
        } else {
            inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
            snprintf(ret_text, PEER_ADDRESS_SIZE, "ipv6:[%s]:%u", text, port);
        }
    } else {
        const struct sockaddr_in *v4 = (const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        snprintf(ret_text, PEER_ADDRESS_SIZE, "ipv4:%s:%u", text, (unsigned)ntohs(v4->sin_port));
    }
}
