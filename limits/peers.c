#include "peers.h"

#include "party_key.h"

struct party *limits_peer(struct limits *limits, const char *peer)
{
    char key[PARTY_KEY_SIZE];
    return limits_party(limits, key, party_key_of_peer(peer, key));
}

bool peer_connected(struct limits *limits, const char *peer, struct party **ret_party)
{
    struct party *party = limits_peer(limits, peer);
    struct status unused;
    if (!party_take(party, LIMIT_CONNECTIONS, 1, &unused)) {
        party_release(party);
        return false;
    }
    *ret_party = party;
    return true;
}

void peer_disconnected(struct party *party)
{
    party_give(party, LIMIT_CONNECTIONS, 1);
    party_release(party);
}
