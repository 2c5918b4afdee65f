#include <criterion/criterion.h>
#include <string.h>

#include "party_key.h"

static bool same(const char *a, const char *b)
{
    char keys[2][PARTY_KEY_SIZE];
    size_t n = party_key_of_peer(a, keys[0]);
    return n == party_key_of_peer(b, keys[1]) && memcmp(keys[0], keys[1], n) == 0;
}

Test(party_key, addresses_count_without_their_ports)
{
    cr_expect(same("ipv4:10.0.0.1:80", "ipv4:10.0.0.1:65535"));
    cr_expect_not(same("ipv4:10.0.0.1:80", "ipv4:10.0.0.2:80"));
    cr_expect_not(same("ipv4:10.0.0.1:80", "ipv4:10.0.0.11:80"));
}

Test(party_key, of_ipv6_the_network_counts)
{
    cr_expect(same("ipv6:[2001:db8:1:2::1]:80", "ipv6:[2001:db8:1:2:ffff::9]:81"));
    cr_expect_not(same("ipv6:[2001:db8:1:2::1]:80", "ipv6:[2001:db8:1:3::1]:80"));
    cr_expect(same("ipv6:[fe80::1%eth0]:80", "ipv6:[fe80::1%eth1]:80"));
    cr_expect_not(same("ipv6:[::1]:80", "ipv4:0.0.0.1:80"));
}

Test(party_key, sockets_of_this_machine_have_none)
{
    char key[PARTY_KEY_SIZE];
    cr_expect_eq(party_key_of_peer("unix:", key), 0);
    cr_expect_eq(party_key_of_peer("", key), 0);
    cr_expect_eq(party_key_of_peer("ipv4:", key), 0);
}

Test(party_key, names_are_told_from_addresses_and_may_be_long)
{
    char name[2 * PARTY_KEY_SIZE];
    char key[PARTY_KEY_SIZE];
    cr_expect_eq(party_key_of_name("ada", key), strlen("name:ada"));
    cr_expect_str_eq(key, "name:ada");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_expect_eq(party_key_of_name(name, key), PARTY_KEY_SIZE - 1);
    cr_expect_eq(strlen(key), PARTY_KEY_SIZE - 1);
}
