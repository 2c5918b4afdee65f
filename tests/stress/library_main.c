/* libconfreg with many threads and a server that comes and goes. Writers share a client: each write
 * is made once, whatever the server's ends have cut. Others make clients, start calls and free the
 * clients at once, every second time in a callback: each call is told its end once. Meanwhile
 * threads read a provider and have it read the registry: no value is ever older than one before. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "confreg.h"
#include "everybody.h"
#include "mem.h"
#include "stress.h"
#include "stress_node.h"

#define WRITERS 3
#define WRITES 40
#define RESTARTS 4
#define CLOSERS 2
#define CLOSES 25
#define CALLS 8
#define READERS 5
#define REFRESHERS 4
#define RING (8u << 20)

struct place {
    char folder[40];
    char store[80];
    char listen[80];
};

static struct confreg_client *connect_to(const struct place *place)
{
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    const char *address = place->listen;
    struct confreg_error error;
    options.addresses = &address;
    options.n_addresses = 1;
    options.timeout_ms = 100000;
    struct confreg_client *client = confreg_client_new(&options, &error);
    CHECK(client != NULL, "%s", error.message);
    return client;
}

/* ---- Writers ---- */

struct writer {
    pthread_t thread;
    struct confreg_client *client;
    char service[16];
    struct tally *done;
};

static void *write_all(void *user)
{
    struct writer *writer = user;
    struct confreg_write_options options = CONFREG_WRITE_OPTIONS_INIT;
    options.allow_missing = true;
    for (uint64_t i = 1; i <= WRITES; i++) {
        struct confreg_error error;
        char data[40];
        int n = snprintf(data, sizeof data, "{\"n\":%lu}", i);
        const struct confreg_config *config = confreg_update(
            writer->client, "prod", writer->service, data, (size_t)n, &options, &error);
        CHECK(config != NULL, "%s: %s", error.reason, error.message);
        CHECK(confreg_config_version(config) == i, "write %lu is version %lu", i,
              confreg_config_version(config));
        confreg_config_unref(config);
        tally_add(writer->done, 1);
    }
    return NULL;
}

/* ---- Clients that are freed ---- */

struct closing {
    struct confreg_client *client;
    struct tally told;
};

static void count(void *user, const struct confreg_text *response,
                  const struct confreg_error *error)
{
    struct closing *closing = user;
    CHECK((response == NULL) != (error == NULL), "a call has one outcome");
    tally_add(&closing->told, 1);
}

static void free_and_count(void *user, const struct confreg_text *response,
                           const struct confreg_error *error)
{
    struct closing *closing = user;
    confreg_client_free(closing->client);
    count(user, response, error);
}

static void start_calls(const struct closing *closing, confreg_call_done *last)
{
    for (size_t i = 1; i <= CALLS; i++) {
        confreg_call_start(closing->client, "GetStatus", "{}", 2, NULL, i == CALLS ? last : count,
                           (void *)(uintptr_t)closing);
    }
}

static void *make_and_free(void *user)
{
    /* Static: a callback's last step is to wake the waiter, which would free it too early. */
    static struct closing all[CLOSERS * CLOSES];
    static atomic_uint n_used;
    for (size_t i = 0; i < CLOSES; i++) {
        struct closing *closing = &all[atomic_fetch_add(&n_used, 1)];
        *closing = (struct closing){.client = connect_to(user), .told = TALLY_INIT};
        if (i % 2 == 0) {
            start_calls(closing, count);
            confreg_client_free(closing->client);
            CHECK(tally_get(&closing->told) == CALLS, "all calls have ended with the client");
        } else {
            start_calls(closing, free_and_count);
            tally_wait(&closing->told, CALLS);
        }
    }
    return NULL;
}

/* ---- Readers ---- */

struct reader {
    pthread_t thread;
    struct confreg_provider *provider;
    bool refreshes;
    atomic_bool *is_over;
};

static void *read_on(void *user)
{
    struct reader *reader = user;
    uint64_t newest = 0;
    while (!atomic_load(reader->is_over)) {
        struct confreg_snapshot *snapshot = confreg_provider_snapshot(reader->provider);
        uint64_t version = confreg_snapshot_version(snapshot);
        int64_t n = confreg_snapshot_get_int64(snapshot, "n", 0);
        confreg_snapshot_unref(snapshot);
        CHECK(n == (int64_t)version, "version %lu has %ld", version, n);
        CHECK(version >= newest, "version %lu after %lu", version, newest);
        newest = version;
        if (reader->refreshes) {
            confreg_provider_refresh(reader->provider, 200,
                                     NULL); /* fails while the server is away */
        }
    }
    return NULL;
}

static void start_readers(struct reader *readers, struct confreg_client *client,
                          atomic_bool *is_over)
{
    struct confreg_error error;
    struct confreg_provider *provider = confreg_provider_new(client, "s0", "prod", NULL, &error);
    CHECK(provider != NULL, "%s", error.message);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] =
            (struct reader){.provider = provider, .refreshes = i < REFRESHERS, .is_over = is_over};
        CHECK(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) == 0, "no thread");
    }
}

static void end_readers(struct reader *readers, atomic_bool *is_over)
{
    atomic_store(is_over, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
    }
    confreg_provider_free(readers[0].provider);
}

/* ---- All of it ---- */

static void write_and_restart(const struct place *place)
{
    struct tally done = TALLY_INIT;
    struct writer writers[WRITERS];
    pthread_t closers[CLOSERS];
    struct confreg_client *client = connect_to(place);
    struct node *node = stress_node_start(place->listen, place->store, 1, RING);
    atomic_bool is_over = false;
    struct reader readers[READERS];
    start_readers(readers, client, &is_over);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.client = client, .done = &done};
        snprintf(writers[i].service, sizeof writers[i].service, "s%zu", i);
        CHECK(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]) == 0, "no thread");
    }
    for (size_t i = 0; i < CLOSERS; i++) {
        CHECK(pthread_create(&closers[i], NULL, make_and_free, (void *)(uintptr_t)place) == 0,
              "no thread");
    }
    for (uint64_t i = 1; i <= RESTARTS; i++) {
        tally_wait(&done, i * WRITERS * WRITES / (RESTARTS + 1));
        node_stop(node);
        node = stress_node_start(place->listen, place->store, 1, RING);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    for (size_t i = 0; i < CLOSERS; i++) {
        pthread_join(closers[i], NULL);
    }
    end_readers(readers, &is_over);
    confreg_client_free(client);
    node_stop(node);
}

static void remove_files(const struct place *place)
{
    static const char *const names[] = {"0.db",      "0.db-wal", "0.db-shm",
                                        "0.db.lock", "socket",   "socket.lock"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", place->folder, names[i]);
        unlink(path);
    }
    rmdir(place->folder);
}

int main(void)
{
    struct place place = {.folder = "/tmp/confreg-stress-XXXXXX"};
    CHECK(mkdtemp(place.folder) != NULL, "no folder in /tmp");
    everybody();
    snprintf(place.store, sizeof place.store, "sqlite:%s/0.db", place.folder);
    snprintf(place.listen, sizeof place.listen, "unix:%s/socket", place.folder);
    write_and_restart(&place);
    remove_files(&place);
    printf("%d writes, %d clients\n", WRITERS * WRITES, CLOSERS * CLOSES);
    return 0;
}
