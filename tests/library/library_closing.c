/* library_closing ADDRESS: callbacks, what they may do, and the end of a client in each place. The
 * server answers or not: with "silent" as second argument it does not. */
#include <pthread.h>
#include <unistd.h>

#include "library_checks.h"

#define CALLS 50

struct place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n; /* callbacks that were called */
    int n_ok, n_cancelled;
    struct confreg_client *client;
};

static struct place place = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER};

static void note(const struct confreg_error *error)
{
    pthread_mutex_lock(&place.lock);
    place.n++;
    place.n_ok += error == NULL;
    place.n_cancelled += error != NULL && error->code == CONFREG_CANCELLED;
    pthread_cond_broadcast(&place.changed);
    pthread_mutex_unlock(&place.lock);
}

static void wait_for(int n)
{
    pthread_mutex_lock(&place.lock);
    while (place.n < n) {
        pthread_cond_wait(&place.changed, &place.lock);
    }
    pthread_mutex_unlock(&place.lock);
}

static void begin(const char *address)
{
    place.n = place.n_ok = place.n_cancelled = 0;
    place.client = client_of(address, 600000);
}

static void start(confreg_call_done *done)
{
    confreg_call_start(place.client, "GetStatus", NULL, 0, NULL, done, &place);
}

static void count(void *user, const struct confreg_text *response,
                  const struct confreg_error *error)
{
    CHECK(user == &place);
    CHECK((response == NULL) != (error == NULL));
    note(error);
}

/* Free with calls that are open: each has its callback before free returns. */
static void free_with_calls(const char *address)
{
    begin(address);
    for (int i = 0; i < CALLS; i++) {
        start(count);
    }
    confreg_client_free(place.client);
    CHECK(place.n == CALLS);
    CHECK(place.n_ok + place.n_cancelled == CALLS);
}

static void use_and_free(void *user, const struct confreg_text *response,
                         const struct confreg_error *error)
{
    (void)response;
    struct confreg_error refused;
    CHECK(user == &place);
    if (error == NULL) {
        CHECK(confreg_get(place.client, "prod", "x", NULL, &refused) == NULL);
        CHECK_ERROR(refused, CONFREG_FAILED_PRECONDITION, "IN_CALLBACK");
        start(count);
    }
    confreg_client_free(place.client);
    note(error);
}

/* Free in a callback, which has just started another call. */
static void free_in_callback(const char *address)
{
    begin(address);
    start(use_and_free);
    wait_for(2);
}

/* Another client may be waited for in a callback. */
static void wait_for_other(void *user, const struct confreg_text *response,
                           const struct confreg_error *error)
{
    (void)response;
    CHECK(error == NULL);
    struct confreg_text text;
    CHECK(confreg_call(user, "GetStatus", NULL, 0, NULL, &text, NULL));
    confreg_text_free(&text);
    note(error);
}

static void two_clients(const char *address)
{
    struct confreg_client *other = client_of(address, 0);
    begin(address);
    confreg_call_start(place.client, "GetStatus", "{}", 2, NULL, wait_for_other, other);
    wait_for(1);
    confreg_client_free(place.client);
    confreg_client_free(other);
}

/* A request that cannot be made ends in the callback, too. */
static void bad_request(const char *address)
{
    begin(address);
    confreg_call_start(place.client, "GetConfigs", "{}", 2, NULL, count, &place);
    confreg_call_start(place.client, "Watch", "{}", 2, NULL, count, &place);
    confreg_call_start(place.client, "GetConfig", "{", 1, NULL, count, &place);
    wait_for(3);
    CHECK(place.n_ok == 0 && place.n_cancelled == 0);
    confreg_client_free(place.client);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    alarm(60); /* a free that hangs ends the program */
    free_with_calls(argv[1]);
    if (argc == 2) {
        free_in_callback(argv[1]);
        two_clients(argv[1]);
        bad_request(argv[1]);
    } else {
        CHECK(place.n_cancelled == CALLS);
    }
    confreg_client_free(NULL);
    puts("done");
    return 0;
}
