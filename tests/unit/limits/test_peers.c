#include <criterion/criterion.h>

#include "peers.h"

Test(peers, an_address_has_its_connections_and_no_more)
{
    const struct limits_settings settings = {.most = {[LIMIT_CONNECTIONS] = 1}};
    struct limits *limits = limits_new(&settings);
    struct party *first = NULL;
    struct party *other = NULL;
    struct party *local = NULL;
    cr_assert(peer_connected(limits, "ipv4:192.0.2.1:1000", &first));
    cr_expect_not(peer_connected(limits, "ipv4:192.0.2.1:1001", &other));
    cr_expect_null(other, "nothing is held");
    cr_assert(peer_connected(limits, "ipv4:192.0.2.2:1000", &other));
    cr_expect(peer_connected(limits, "unix:", &local), "a unix socket has no limit");
    cr_expect_null(local);
    peer_disconnected(first);
    cr_expect(peer_connected(limits, "ipv4:192.0.2.1:1002", &first), "the place is free again");
    peer_disconnected(first);
    peer_disconnected(other);
    peer_disconnected(local);
    limits_free(limits);
}
