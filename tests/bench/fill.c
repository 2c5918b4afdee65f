/* Fills a server: `bench_fill ADDRESS CONFIGS BYTES VERSIONS` writes that many versions of
 * service-0, service-1 … in environment prod, with payloads of that many bytes, in commits of 100
 * changes, many at a time. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "registry_client.h"

#define CHANGES 100
#define AT_ONCE 16
#define TIMEOUT_MS 60000

struct filler {
    struct registry_client *client;
    size_t configs, versions;
    char *payload;
    size_t n_payload;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t under_way;
    bool failed;
};

static void done(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct filler *f = user;
    pthread_mutex_lock(&f->lock);
    if (response != NULL) {
        protobuf_c_message_free_unpacked(response, NULL);
    } else if (!f->failed) {
        fprintf(stderr, "bench_fill: %s: %s\n", status_code_name(st->code), st->message);
        f->failed = true;
    }
    f->under_way--;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

/* False once something went wrong. */
static bool wait_until_at_most(struct filler *f, size_t under_way)
{
    pthread_mutex_lock(&f->lock);
    while (f->under_way > under_way) {
        pthread_cond_wait(&f->wake, &f->lock);
    }
    bool ok = !f->failed;
    pthread_mutex_unlock(&f->lock);
    return ok;
}

/* One version of the configs first … first + n - 1. */
static void start_commit(struct filler *f, size_t first, size_t n)
{
    Confreg__V1__Write changes[CHANGES];
    Confreg__V1__UpdateConfigRequest updates[CHANGES];
    Confreg__V1__Write *pointers[CHANGES];
    char names[CHANGES][32];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "service-%zu", first + i);
        confreg__v1__update_config_request__init(&updates[i]);
        updates[i].environment = (char *)(uintptr_t) "prod";
        updates[i].service_name = names[i];
        updates[i].content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
        updates[i].config_data = (ProtobufCBinaryData){f->n_payload, (uint8_t *)f->payload};
        updates[i].allow_missing = true;
        confreg__v1__write__init(&changes[i]);
        changes[i].write_case = CONFREG__V1__WRITE__WRITE_UPDATE;
        changes[i].update = &updates[i];
        pointers[i] = &changes[i];
    }
    Confreg__V1__CommitChangesRequest request;
    confreg__v1__commit_changes_request__init(&request);
    request.n_changes = n;
    request.changes = pointers;
    pthread_mutex_lock(&f->lock);
    f->under_way++;
    pthread_mutex_unlock(&f->lock);
    registry_client_call(f->client, REGISTRY_COMMIT_CHANGES, &request.base, TIMEOUT_MS, done, f);
}

static bool fill(struct filler *f)
{
    for (size_t version = 0; version < f->versions; version++) {
        for (size_t first = 0; first < f->configs; first += CHANGES) {
            size_t left = f->configs - first;
            if (!wait_until_at_most(f, AT_ONCE - 1)) {
                return false;
            }
            start_commit(f, first, left < CHANGES ? left : CHANGES);
        }
    }
    return wait_until_at_most(f, 0);
}

int main(int argc, char **argv)
{
    struct filler f = {.n_payload = argc == 5 ? strtoul(argv[3], NULL, 10) : 0};
    struct status st;
    if (f.n_payload < 8) {
        fputs("usage: bench_fill ADDRESS CONFIGS BYTES VERSIONS\n", stderr);
        return 2;
    }
    f.configs = strtoul(argv[2], NULL, 10);
    f.versions = strtoul(argv[4], NULL, 10);
    f.payload = mem_alloc(f.n_payload);
    memset(f.payload, 'v', f.n_payload);
    memcpy(f.payload, "{\"k\":\"", 6);
    memcpy(f.payload + f.n_payload - 2, "\"}", 2);
    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.wake, NULL);
    const char *address = argv[1];
    const struct registry_client_options options = {.addresses = &address, .n_addresses = 1};
    if (!registry_client_new(&options, &f.client, &st)) {
        fprintf(stderr, "bench_fill: %s\n", st.message);
        return EXIT_FAILURE;
    }
    int64_t begun = clock_monotonic_ns();
    bool ok = fill(&f);
    printf("%.3f\n", (double)(clock_monotonic_ns() - begun) / 1e9);
    registry_client_free(f.client);
    free(f.payload);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
