#include "charges.h"

#include "admission.h"
#include "caller.h"
#include "party_key.h"
#include "peers.h"

struct charge {
    struct party *party; /* held */
    uint64_t used[LIMIT_GAUGES];
};

/* ---- Parties ---- */

static struct party *party_of(struct limits *limits, struct rpc_call *call)
{
    const struct caller *caller = admission_caller(call);
    char key[PARTY_KEY_SIZE];
    if (caller != NULL && caller_name(caller)[0] != '\0') {
        return limits_party(limits, key, party_key_of_name(caller_name(caller), key));
    }
    return caller != NULL && caller_has_gateway(caller) ? NULL
                                                        : limits_peer(limits, rpc_call_peer(call));
}

/* ---- Calls ---- */

static bool take(struct charge *charge, enum limit_gauge gauge, uint64_t n, struct status *st)
{
    bool ok = party_take(charge->party, gauge, n, st);
    charge->used[gauge] += ok ? n : 0;
    return ok;
}

static bool call_begun(void *user, struct rpc_call *call, const struct rpc_method *method,
                       size_t bytes, void **ret_charge, struct status *st)
{
    struct charge *charge = mem_zalloc(sizeof *charge);
    enum limit_gauge kind = method->kind == RPC_SERVER_STREAM ? LIMIT_STREAMS : LIMIT_CALLS;
    charge->party = party_of(((struct service *)user)->parties, call);
    *ret_charge = charge;
    return take(charge, kind, 1, st) && take(charge, LIMIT_BYTES, bytes, st);
}

static void call_ended(void *user, void *given)
{
    struct charge *charge = given;
    (void)user;
    for (size_t i = 0; i < LIMIT_GAUGES; i++) {
        party_give(charge->party, (enum limit_gauge)i, charge->used[i]);
    }
    party_release(charge->party);
    free(charge);
}

bool charges_write(struct rpc_call *call, uint64_t n, struct status *st)
{
    struct charge *charge = rpc_call_charge(call);
    return charge == NULL || (party_spend(charge->party, LIMIT_WRITES, n, st) &&
                              take(charge, LIMIT_CALLS, n - 1, st)); /* one is counted already */
}

/* A gateway counts the wrong credentials of its clients by their addresses: it is not to wait for
 * those of one, as it has others. */
static int64_t call_refused(void *user, struct rpc_call *call, void **ret_charge, struct status *st)
{
    struct service *service = user;
    if (st->code != STATUS_UNAUTHENTICATED || admission_by_gateway(service, call)) {
        return 0;
    }
    struct charge *charge = mem_zalloc(sizeof *charge);
    charge->party = limits_peer(service->parties, rpc_call_peer(call));
    int64_t hold_ns = party_fail(charge->party, st);
    charge->used[LIMIT_HELD] = hold_ns > 0 ? 1 : 0;
    *ret_charge = charge;
    return hold_ns;
}

/* ---- Connections ---- */

static bool connected(void *user, const char *peer, void **ret_guest)
{
    struct party *party = NULL;
    if (!peer_connected(((struct service *)user)->parties, peer, &party)) {
        return false;
    }
    *ret_guest = party;
    return true;
}

static void disconnected(void *user, void *guest)
{
    (void)user;
    peer_disconnected(guest);
}

struct rpc_limits charges_of(struct service *service)
{
    return (struct rpc_limits){
        .connected = connected,
        .disconnected = disconnected,
        .begun = call_begun,
        .refused = call_refused,
        .ended = call_ended,
        .user = service,
    };
}
