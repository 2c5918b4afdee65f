#include "rpc_caller.h"

#include <string.h>

#include "echo.pb-c.h"
#include "rpc_client_to.h"

#define SLOTS 16

struct slot {
    struct caller *caller;
    bool begun; /* a call was made */
    bool open;  /* and has not ended */
    uint64_t number;
    Confreg__Stress__Manner manner;
    uint64_t ballast_size;
    uint64_t counted;
    uint64_t upto;
    pthread_mutex_t lock;
    struct rpc_client_call *stream; /* NULL: none that can be cancelled */
};

struct caller {
    struct rpc_client *rpc;
    struct tally *finished;
    struct slot slots[SLOTS];
    /* The client's thread's, once all slots have begun. */
    struct random random;
    uint64_t n_left;
    uint64_t n_open;
    uint64_t n_ok;
};

static uint8_t ballast[4096];

static void begin(struct slot *slot);

/* Which ends a call may have, whatever the server and this client are just doing. */
static void check_code(const struct status *st, bool refused)
{
    switch (st->code) {
    case STATUS_RESOURCE_EXHAUSTED:
        CHECK(refused && strcmp(st->reason, "ASKED_FOR") == 0, "%s", st->message);
        break;
    case STATUS_DEADLINE_EXCEEDED:
    case STATUS_CANCELLED:
    case STATUS_UNAVAILABLE:
        break;
    default:
        CHECK(false, "ended with %s: %s", status_code_name(st->code), st->message);
    }
}

static void end(struct slot *slot, bool ok)
{
    struct caller *caller = slot->caller;
    CHECK(slot->open, "ended twice");
    slot->open = false;
    caller->n_open--;
    caller->n_ok += ok;
    begin(slot);
    tally_add(caller->finished, 1);
}

/* ---- Unary ---- */

static void check_answer(const struct slot *slot, const uint8_t *bytes, size_t size)
{
    Confreg__Stress__SayResponse *response =
        confreg__stress__say_response__unpack(NULL, size, bytes);
    CHECK(response != NULL, "an answer that makes no sense");
    CHECK(response->number == slot->number, "another call's answer");
    CHECK(
        response->ballast.len ==
            (slot->manner == CONFREG__STRESS__MANNER__MANNER_UNSPECIFIED ? slot->ballast_size : 0),
        "%zu bytes came", response->ballast.len);
    confreg__stress__say_response__free_unpacked(response, NULL);
}

static void said(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct slot *slot = user;
    bool refused = slot->manner == CONFREG__STRESS__MANNER__MANNER_REFUSED;
    if (st != NULL) {
        check_code(st, refused);
    } else {
        CHECK(!refused, "what was to be refused was answered");
        check_answer(slot, bytes, size);
    }
    end(slot, st == NULL);
}

static void say(struct slot *slot)
{
    struct random *random = &slot->caller->random;
    Confreg__Stress__SayRequest request;
    confreg__stress__say_request__init(&request);
    slot->manner = (Confreg__Stress__Manner)random_below(random, 4);
    slot->ballast_size = random_below(random, sizeof ballast);
    request.number = slot->number;
    request.manner = slot->manner;
    request.ballast = (ProtobufCBinaryData){.len = slot->ballast_size, .data = ballast};
    const struct rpc_header header = {"x-number", "1"};
    struct rpc_request call = {
        .path = "/confreg.stress.Echo/Say",
        .message = &request.base,
        .timeout_ms = random_percent(random, 30) ? (int64_t)random_below(random, 5) + 1 : 0,
        .headers = &header,
        .n_headers = random_below(random, 2),
    };
    rpc_client_unary(slot->caller->rpc, &call, said, slot);
}

/* ---- Streams ---- */

static bool counted(void *user, const uint8_t *bytes, size_t size)
{
    struct slot *slot = user;
    Confreg__Stress__CountResponse *response =
        confreg__stress__count_response__unpack(NULL, size, bytes);
    CHECK(response != NULL && response->number == slot->counted, "not the next number");
    confreg__stress__count_response__free_unpacked(response, NULL);
    slot->counted++;
    return !random_percent(&slot->caller->random, 5);
}

static void count_ended(void *user, const struct status *st)
{
    struct slot *slot = user;
    pthread_mutex_lock(&slot->lock);
    slot->stream = NULL;
    pthread_mutex_unlock(&slot->lock);
    if (st != NULL) {
        check_code(st, false);
    } else {
        CHECK(slot->counted == slot->upto, "a number is missing");
    }
    end(slot, st == NULL);
}

static void count(struct slot *slot)
{
    static const struct rpc_client_stream_ops ops = {.message = counted, .done = count_ended};
    struct random *random = &slot->caller->random;
    Confreg__Stress__CountRequest request;
    confreg__stress__count_request__init(&request);
    slot->counted = 0;
    slot->upto = random_below(random, 20);
    request.upto = slot->upto;
    struct rpc_request call = {
        .path = "/confreg.stress.Echo/Count",
        .message = &request.base,
        .timeout_ms = random_percent(random, 30) ? (int64_t)random_below(random, 10) + 1 : 0,
    };
    /* On the client's thread, so that count_ended is called later. */
    struct rpc_client_call *stream = rpc_client_stream(slot->caller->rpc, &call, &ops, slot);
    pthread_mutex_lock(&slot->lock);
    slot->stream = stream;
    pthread_mutex_unlock(&slot->lock);
}

/* ---- The caller ---- */

static void begin(struct slot *slot)
{
    struct caller *caller = slot->caller;
    if (caller->n_left == 0) {
        return;
    }
    caller->n_left--;
    caller->n_open++;
    slot->open = true;
    slot->begun = true;
    slot->number = random_next(&caller->random);
    if (random_percent(&caller->random, 25)) {
        count(slot);
    } else {
        say(slot);
    }
}

/* The first call of each slot begins on the client's thread as well, from the end of this one. */
static void begin_all(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    struct caller *caller = user;
    (void)st;
    (void)bytes;
    (void)size;
    for (size_t i = 0; i < SLOTS; i++) {
        begin(&caller->slots[i]);
    }
}

struct caller *caller_start(int port, uint64_t seed, uint64_t n_calls, struct tally *finished)
{
    struct caller *caller = calloc(1, sizeof *caller);
    char address[32];
    struct status st;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct rpc_client_options options = {.minimal_stack = seed % 2 == 0};
    CHECK(rpc_client_to(address, &options, &caller->rpc, &st), "%s", st.message);
    caller->finished = finished;
    caller->random.state = seed;
    caller->n_left = n_calls;
    for (size_t i = 0; i < SLOTS; i++) {
        caller->slots[i].caller = caller;
        pthread_mutex_init(&caller->slots[i].lock, NULL);
    }
    Confreg__Stress__SayRequest request;
    confreg__stress__say_request__init(&request);
    struct rpc_request first = {.path = "/confreg.stress.Echo/Say", .message = &request.base};
    rpc_client_unary(caller->rpc, &first, begin_all, caller);
    return caller;
}

void caller_cancel_any(struct caller *caller, struct random *random)
{
    struct slot *slot = &caller->slots[random_below(random, SLOTS)];
    pthread_mutex_lock(&slot->lock);
    if (slot->stream != NULL) {
        rpc_client_cancel(slot->stream);
    }
    pthread_mutex_unlock(&slot->lock);
}

uint64_t caller_end(struct caller *caller)
{
    rpc_client_free(caller->rpc);
    CHECK(caller->n_open == 0 && caller->n_left == 0, "%lu calls never ended, %lu never began",
          caller->n_open, caller->n_left);
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_destroy(&caller->slots[i].lock);
    }
    uint64_t n_ok = caller->n_ok;
    free(caller);
    return n_ok;
}
