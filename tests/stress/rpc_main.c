/* Server and clients of rpc against each other: many calls, answered in every manner, with short
 * deadlines and cancellations, while clients are freed and the server stops. Each call must end
 * exactly once, each stream be given back, and nothing race. */
#include "rpc_caller.h"
#include "rpc_echo.h"

#define ROUNDS 4
#define CALLERS 4
#define CALLS 600

struct canceller {
    struct caller **callers;
    struct tally *finished;
    uint64_t seed;
};

/* Cancels at the pace at which calls end, until the server stops. */
static void *cancel(void *argument)
{
    struct canceller *c = argument;
    struct random random = {c->seed};
    for (uint64_t at = 1; at < CALLERS * CALLS / 2; at += 4) {
        tally_wait(c->finished, at);
        caller_cancel_any(c->callers[random_below(&random, CALLERS)], &random);
    }
    return NULL;
}

static uint64_t run(uint64_t seed)
{
    struct tally finished = TALLY_INIT;
    struct echo *echo = echo_start();
    struct caller *callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = caller_start(echo_port(echo), seed + i, CALLS, &finished);
    }
    struct canceller canceller = {callers, &finished, seed};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, cancel, &canceller) == 0, "no thread");
    pthread_join(thread, NULL);
    /* One client goes while the server lives, the server while the others are at it. */
    uint64_t n_ok = caller_end(callers[0]);
    echo_stop(echo);
    for (size_t i = 1; i < CALLERS; i++) {
        n_ok += caller_end(callers[i]);
    }
    CHECK(tally_get(&finished) == CALLERS * CALLS, "%lu calls ended", tally_get(&finished));
    return n_ok;
}

int main(void)
{
    uint64_t seed = random_seed();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t n_ok = run(seed + round * 100);
        CHECK(n_ok > CALLERS * CALLS / 10, "only %lu calls of a round succeeded", n_ok);
        printf("round %lu: %lu of %d calls succeeded\n", round, n_ok, CALLERS * CALLS);
    }
    return 0;
}
