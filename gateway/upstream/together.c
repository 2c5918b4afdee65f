#include "together.h"

#include <assert.h>
#include <string.h>

#include "rpc_client.h"

struct together {
    struct registry_client *client; /* borrowed */
    registry_client_done *done;     /* of calls that travel alone */
    size_t n, bytes;
    struct upstream_call *calls[TOGETHER_WRITES];
};

static const struct together_kind {
    enum registry_method method;
    Confreg__V1__Write__WriteCase write;
    Confreg__V1__WriteOutcome__OutcomeCase outcome;
} kinds[] = {
    {REGISTRY_CREATE_CONFIG, CONFREG__V1__WRITE__WRITE_CREATE,
     CONFREG__V1__WRITE_OUTCOME__OUTCOME_CREATE},
    {REGISTRY_UPDATE_CONFIG, CONFREG__V1__WRITE__WRITE_UPDATE,
     CONFREG__V1__WRITE_OUTCOME__OUTCOME_UPDATE},
    {REGISTRY_DELETE_CONFIG, CONFREG__V1__WRITE__WRITE_DELETE,
     CONFREG__V1__WRITE_OUTCOME__OUTCOME_DELETE},
};

static const struct together_kind *kind_of(enum registry_method method)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].method == method) {
            return &kinds[i];
        }
    }
    return NULL;
}

bool together_takes(enum registry_method method, const ProtobufCMessage *message)
{
    const union write_message *write = (const void *)message;
    switch (method) {
    case REGISTRY_CREATE_CONFIG:
        return !write->create.validate_only; /* which is answered with the difference, too */
    case REGISTRY_UPDATE_CONFIG:
        return !write->update.validate_only &&
               write->update.content_case ==
                   CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    case REGISTRY_DELETE_CONFIG: /* of a version: leaves a head */
        return !write->delete.validate_only && write->delete.version == 0;
    default:
        return false;
    }
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool together_is_of(const struct together *together, const struct upstream_call *call)
{
    const struct registry_caller *a = call_caller(together->calls[0]);
    const struct registry_caller *b = call_caller(call);
    if (strcmp(together->calls[0]->trace, call->trace) != 0) {
        return false;
    }
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->is_delegated == b->is_delegated && is_same(a->authorization, b->authorization) &&
           is_same(a->certificate, b->certificate) && is_same(a->peer, b->peer);
}

bool together_add(struct together **ret_together, struct registry_client *client,
                  struct upstream_call *call)
{
    struct together *together = *ret_together;
    size_t bytes = protobuf_c_message_get_packed_size(&call->write.base);
    if (together == NULL) {
        together = *ret_together = mem_alloc(sizeof *together);
        together->client = client;
        together->n = together->bytes = 0;
    } else if (together->n == TOGETHER_WRITES || together->bytes + bytes > TOGETHER_BYTES) {
        return false;
    }
    assert(together->n < TOGETHER_WRITES);
    together->calls[together->n++] = call;
    together->bytes += bytes;
    return true;
}

static void send_alone(struct together *together)
{
    for (size_t i = 0; i < together->n; i++) {
        struct upstream_call *call = together->calls[i];
        const struct registry_call sent = call_to_send(call, call->method, &call->write.base);
        registry_client_start(together->client, &sent, together->done, call);
    }
    free(together);
}

/* ---- Answers, on the client's thread ---- */

static void take_outcome(struct calls_done *done, struct upstream_call *call,
                         Confreg__V1__WriteOutcome *outcome)
{
    struct status st;
    if (outcome->outcome_case == kind_of(call->method)->outcome) {
        /* Every member of the union is a pointer to a message, so any member gives the one set. */
        ProtobufCMessage *response = &MOVE(outcome->create)->base;
        outcome->outcome_case = CONFREG__V1__WRITE_OUTCOME__OUTCOME__NOT_SET;
        calls_done_add(done, call, response, NULL);
    } else if (outcome->outcome_case == CONFREG__V1__WRITE_OUTCOME__OUTCOME_ERROR) {
        struct violations violations = {0};
        rpc_status_of(outcome->error, &st, &violations);
        calls_done_add(done, call, NULL, &st);
        violations_fini(&violations);
    } else {
        status_set(&st, STATUS_INTERNAL, "MALFORMED_MESSAGE", "the outcome is of no such write");
        calls_done_add(done, call, NULL, &st);
    }
}

static void fail_all(const struct together *together, const struct status *st)
{
    struct calls_done done = {0};
    for (size_t i = 0; i < together->n; i++) {
        calls_done_add(&done, together->calls[i], NULL, st);
    }
    calls_hand_over(&done);
}

static void take_outcomes(const struct together *together,
                          const Confreg__V1__WriteConfigsResponse *response)
{
    struct calls_done done = {0};
    struct status st;
    if (response->n_outcomes != together->n) {
        status_set(&st, STATUS_INTERNAL, "MALFORMED_MESSAGE", "%zu outcomes of %zu writes",
                   response->n_outcomes, together->n);
        fail_all(together, &st);
        return;
    }
    for (size_t i = 0; i < together->n; i++) {
        take_outcome(&done, together->calls[i], response->outcomes[i]);
    }
    calls_hand_over(&done);
}

/* The server carried nothing out: it does not have WriteConfigs, or one of the writes is malformed.
 * Sent alone, each write gets its own answer. */
static bool is_refused_whole(const struct status *st)
{
    return st->code == STATUS_UNIMPLEMENTED || st->code == STATUS_INVALID_ARGUMENT;
}

static void answered(void *user, ProtobufCMessage *message, const struct status *st)
{
    struct together *together = user;
    if (st != NULL && is_refused_whole(st)) {
        send_alone(together);
        return;
    }
    if (st != NULL) {
        fail_all(together, st);
    } else {
        take_outcomes(together, (Confreg__V1__WriteConfigsResponse *)(void *)message);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    free(together);
}

/* ---- Requests ---- */

static void send_together(struct together *together)
{
    Confreg__V1__Write writes[TOGETHER_WRITES];
    Confreg__V1__Write *pointers[TOGETHER_WRITES];
    Confreg__V1__WriteConfigsRequest request = CONFREG__V1__WRITE_CONFIGS_REQUEST__INIT;
    for (size_t i = 0; i < together->n; i++) {
        struct upstream_call *call = together->calls[i];
        confreg__v1__write__init(&writes[i]);
        writes[i].write_case = kind_of(call->method)->write;
        writes[i].create = &call->write.create; /* any member of the union */
        pointers[i] = &writes[i];
    }
    request.n_writes = together->n;
    request.writes = pointers;
    const struct registry_call sent =
        call_to_send(together->calls[0], REGISTRY_WRITE_CONFIGS, &request.base);
    registry_client_start(together->client, &sent, answered, together);
}

void together_send(struct together *together, registry_client_done *done)
{
    together->done = done;
    if (together->n == 1) {
        send_alone(together);
    } else {
        send_together(together);
    }
}
