/* Measures a database of MongoDB's protocol alone: `bench_inserts URI IN-FLIGHT BYTES CALLS`
 * inserts CALLS documents of BYTES bytes, one per command, at majority concern, from IN-FLIGHT
 * threads, and prints the calls and seconds as JSON. */
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "clock.h"
#include "hash.h"
#include "mem.h"

static mongoc_client_pool_t *pool;
static atomic_long left;
static size_t size;

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "bench_inserts: %s\n", what);
    exit(EXIT_FAILURE);
}

static void insert_one(mongoc_collection_t *collection, const bson_t *options, const uint8_t *bytes)
{
    bson_error_t error;
    bson_t *document = BCON_NEW("record", BCON_BIN(BSON_SUBTYPE_BINARY, bytes, (uint32_t)size));
    if (!mongoc_collection_insert_one(collection, document, options, NULL, &error)) {
        die(error.message);
    }
    bson_destroy(document);
}

static void *insert_on(void *unused)
{
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "bench", "inserts");
    bson_t *options = BCON_NEW("writeConcern", "{", "w", BCON_UTF8("majority"), "}");
    AUTO(free) uint8_t *bytes = mem_alloc(size);
    random_bytes(bytes, size);
    while (atomic_fetch_sub(&left, 1) > 0) {
        insert_one(collection, options, bytes);
    }
    bson_destroy(options);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, client);
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        die("usage: bench_inserts URI IN-FLIGHT BYTES CALLS");
    }
    size_t n = strtoul(argv[2], NULL, 10);
    long calls = strtol(argv[4], NULL, 10);
    pthread_t *threads = mem_array(n, sizeof threads[0]);
    size = strtoul(argv[3], NULL, 10);
    atomic_init(&left, calls);
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new(argv[1]);
    pool = uri == NULL ? NULL : mongoc_client_pool_new(uri);
    if (pool == NULL) {
        die("no such address");
    }
    int64_t begun = clock_monotonic_ns();
    for (size_t i = 0; i < n; i++) {
        pthread_create(&threads[i], NULL, insert_on, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("{\"calls\": %ld, \"seconds\": %.6f}\n", calls,
           (double)(clock_monotonic_ns() - begun) / 1e9);
    free(threads);
    mongoc_client_pool_destroy(pool);
    mongoc_uri_destroy(uri);
    mongoc_cleanup();
    return EXIT_SUCCESS;
}
