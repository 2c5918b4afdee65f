/* A whole server in this process: writers, and watches that come and go, over a ring so small that
 * slow streams read the store. Every watch must get what the log holds: in order, each change once,
 * none missing, also over a stop of the server in the midst of it. */
#include <string.h>
#include <unistd.h>

#include "node_watcher.h"
#include "registry_client.h"
#include "rpc_client_to.h"
#include "stress_node.h"

#define WRITERS 4
#define WRITES 120 /* of each writer and life of the server */
#define WATCHERS 24
#define CONFIGS 6 /* and changes in a commit, at most */
#define PAYLOAD 3000
#define RING (256u << 10)

struct writer {
    struct registry_client *client;
    struct random random;
    uint64_t n_left;
    bool all_configs; /* changed by each write, instead of some */
    struct tally *finished;
    atomic_uint_fast64_t *newest; /* revision that was acknowledged */
    atomic_bool *stopping;
};

static char payload[PAYLOAD];

static void fill_payload(void)
{
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "{\"x\":\"", 6);
    memcpy(payload + sizeof payload - 2, "\"}", 2);
}

/* ---- Writers ---- */

static void write_next(struct writer *writer);

static void raise(atomic_uint_fast64_t *newest, uint64_t revision)
{
    uint64_t before = atomic_load(newest);
    while (before < revision && !atomic_compare_exchange_weak(newest, &before, revision)) {
    }
}

static void written(void *user, ProtobufCMessage *message, const struct status *st)
{
    struct writer *writer = user;
    if (message != NULL) {
        const Confreg__V1__CommitChangesResponse *response = (const void *)message;
        raise(writer->newest, response->commit->revision);
        protobuf_c_message_free_unpacked(message, NULL);
    } else {
        CHECK(st->code == STATUS_UNAVAILABLE && atomic_load(writer->stopping), "a write: %s",
              st->message);
    }
    write_next(writer);
    tally_add(writer->finished, 1);
}

static void write_next(struct writer *writer)
{
    Confreg__V1__CommitChangesRequest request;
    Confreg__V1__Write changes[CONFIGS];
    Confreg__V1__UpdateConfigRequest updates[CONFIGS];
    Confreg__V1__Write *pointers[CONFIGS];
    char names[CONFIGS][8];
    if (writer->n_left == 0) {
        return;
    }
    writer->n_left--;
    size_t first = random_below(&writer->random, CONFIGS);
    confreg__v1__commit_changes_request__init(&request);
    request.changes = pointers;
    request.n_changes = writer->all_configs ? CONFIGS : 1 + random_below(&writer->random, 3);
    for (size_t i = 0; i < request.n_changes; i++) {
        snprintf(names[i], sizeof names[i], "s%u", (unsigned)((first + i) % CONFIGS));
        confreg__v1__write__init(&changes[i]);
        confreg__v1__update_config_request__init(&updates[i]);
        updates[i].service_name = names[i];
        updates[i].allow_missing = true;
        updates[i].content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
        updates[i].config_data = (ProtobufCBinaryData){sizeof payload, (uint8_t *)payload};
        changes[i].write_case = CONFREG__V1__WRITE__WRITE_UPDATE;
        changes[i].update = &updates[i];
        pointers[i] = &changes[i];
    }
    registry_client_call(writer->client, REGISTRY_COMMIT_CHANGES, &request.base, 0, written,
                         writer);
}

/* ---- One life of the server ---- */

struct place {
    char folder[40];
    char store[80];
    char listen[80];
};

static struct registry_client *connect_to(const struct place *place)
{
    struct registry_client *client = NULL;
    struct status st;
    const char *address = place->listen;
    const struct registry_client_options options = {.addresses = &address, .n_addresses = 1};
    CHECK(registry_client_new(&options, &client, &st), "%s", st.message);
    return client;
}

/* Writers write; when so many of their writes have ended, the server stops. */
static void live(const struct place *place, struct node *node, uint64_t n_before_stop,
                 atomic_uint_fast64_t *newest)
{
    struct tally finished = TALLY_INIT;
    atomic_bool stopping = false;
    struct writer writers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.random = {random_seed() + i},
                                     .n_left = WRITES,
                                     .finished = &finished,
                                     .newest = newest,
                                     .stopping = &stopping};
        writers[i].client = connect_to(place);
        write_next(&writers[i]);
    }
    tally_wait(&finished, n_before_stop);
    atomic_store(&stopping, true);
    node_stop(node);
    tally_wait(&finished, WRITERS * WRITES);
    for (size_t i = 0; i < WRITERS; i++) {
        registry_client_free(writers[i].client);
    }
}

/* One commit that every watch is told of: a watch is not told what it does not select. */
static void write_last(const struct place *place, atomic_uint_fast64_t *newest)
{
    struct tally finished = TALLY_INIT;
    atomic_bool stopping = false;
    struct writer writer = {.n_left = 1,
                            .all_configs = true,
                            .finished = &finished,
                            .newest = newest,
                            .stopping = &stopping};
    writer.client = connect_to(place);
    write_next(&writer);
    tally_wait(&finished, 1);
    registry_client_free(writer.client);
}

static void watch_to_the_end(const struct place *place, struct watching *all,
                             atomic_uint_fast64_t *newest)
{
    struct node *node = stress_node_start(place->listen, place->store, 2, RING);
    write_last(place, newest);
    atomic_store(&all->goal, atomic_load(newest));
    write_last(place, newest); /* wakes those that had come so far before they knew the goal */
    tally_wait(&all->through, WATCHERS);
    rpc_client_free(all->rpc);
    node_stop(node);
}

static void watch_and_write(const struct place *place)
{
    static struct watcher watchers[WATCHERS];
    struct watching all = {.goal = UINT64_MAX, .through = TALLY_INIT};
    atomic_uint_fast64_t newest = 0;
    struct status st;
    CHECK(rpc_client_to(place->listen, NULL, &all.rpc, &st), "%s", st.message);
    for (size_t i = 0; i < WATCHERS; i++) {
        watcher_init(&watchers[i], &all, i);
        watcher_begin(&watchers[i]); /* waits for the server */
    }
    live(place, stress_node_start(place->listen, place->store, 2, RING), WRITERS * WRITES / 2,
         &newest);
    live(place, stress_node_start(place->listen, place->store, 2, RING), WRITERS * WRITES, &newest);
    watch_to_the_end(place, &all, &newest);
    CHECK(newest > WRITERS * WRITES, "only %lu commits", newest);
    printf("%lu commits, %lu streams, %lu events\n", newest, all.n_streams, all.n_events);
}

static void remove_files(const struct place *place)
{
    static const char *const names[] = {"log.db", "log.db-wal", "log.db-shm", "socket",
                                        "socket.lock"};
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
    snprintf(place.store, sizeof place.store, "sqlite:%s/log.db", place.folder);
    snprintf(place.listen, sizeof place.listen, "unix:%s/socket", place.folder);
    fill_payload();
    watch_and_write(&place);
    remove_files(&place);
    return 0;
}
