/* The cost of libconfreg for a program that uses it. Prints numbers, one a line, for scripts/bench.
 *
 *     bench_client getters ADDRESS THREADS     processor time in ns of a get_int64 and of a
 *                                              get_string by a pointer of three steps; then
 *                                              millions of get_int64 a second of all threads, and
 *                                              processor time of one of those
 *     bench_client callbacks ADDRESS COUNT     version and microseconds since 1970 of each callback
 *     bench_client writes ADDRESS COUNT        version and time of each commit, 2 ms apart
 *     bench_client watchers ADDRESS COUNT      bytes that COUNT more watchers take
 *     bench_client set ADDRESS JSON            gives the config that is read a value
 *     bench_client keep ADDRESS PATH           writes a last-known file
 *     bench_client file PATH                   ms until a value from a last-known file is read
 *     bench_client stay ADDRESS COUNT          COUNT clients, each with a provider; "ready", then
 * it waits for the end of its input
 */
#include <confreg.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READS 2000000
#define WAIT_MS 60000

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void check(bool ok, const struct confreg_error *error)
{
    if (!ok) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

static struct confreg_client *connect_to(const char *address)
{
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    struct confreg_error error;
    options.addresses = &address;
    options.n_addresses = 1;
    struct confreg_client *client = confreg_client_new(&options, &error);
    check(client != NULL, &error);
    return client;
}

static struct confreg_provider *provide(struct confreg_client *client, const char *file)
{
    struct confreg_provider_options options = CONFREG_PROVIDER_OPTIONS_INIT;
    struct confreg_error error;
    options.last_known_good = file;
    struct confreg_provider *provider =
        confreg_provider_new(client, "service-42", "prod", &options, &error);
    check(provider != NULL, &error);
    return provider;
}

/* ---- Getters ---- */

struct reader {
    pthread_t thread;
    struct confreg_provider *provider;
    double cpu_ns; /* of a read */
};

static void *read_integers(void *user)
{
    struct reader *reader = user;
    int64_t sum = 0;
    int64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < READS; i++) {
        sum += confreg_provider_get_int64(reader->provider, "db_port", 1);
    }
    reader->cpu_ns = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - before) / READS;
    if (sum != READS * INT64_C(5432)) {
        fprintf(stderr, "a wrong value was read\n");
        exit(1);
    }
    return NULL;
}

static void time_integers(struct confreg_provider *provider, size_t n)
{
    struct reader readers[64];
    double cpu_ns = 0;
    int64_t before = now_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < n; i++) {
        readers[i].provider = provider;
        pthread_create(&readers[i].thread, NULL, read_integers, &readers[i]);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(readers[i].thread, NULL);
        cpu_ns += readers[i].cpu_ns / (double)n;
    }
    printf("%.1f\n", 1e3 * READS * (double)n / (double)(now_ns(CLOCK_MONOTONIC) - before));
    printf("%.1f\n", cpu_ns);
}

static void time_getters(const char *address, size_t n_threads)
{
    struct confreg_client *client = connect_to(address);
    struct confreg_provider *provider = provide(client, NULL);
    struct confreg_error error;
    char text[64];
    check(confreg_provider_wait_ready(provider, WAIT_MS, &error), &error);
    struct reader reader = {.provider = provider};
    read_integers(&reader);
    printf("%.1f\n", reader.cpu_ns);
    int64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < READS; i++) {
        confreg_provider_get_string(provider, "/db/hosts/1", "", text, sizeof text);
    }
    printf("%.1f\n", (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - before) / READS);
    time_integers(provider, n_threads);
    confreg_provider_free(provider);
    confreg_client_free(client);
}

/* ---- Callbacks ---- */

struct calls {
    struct confreg_watcher *watcher;
    size_t n, most;
    int64_t *times_us;
};

static void take_change(void *user, const struct confreg_change *change)
{
    struct calls *calls = user;
    if (change->config != NULL && calls->n < calls->most) {
        calls->times_us[calls->n++] = now_ns(CLOCK_REALTIME) / 1000;
        printf("%lu %ld\n", (unsigned long)confreg_config_version(change->config),
               (long)calls->times_us[calls->n - 1]);
    }
    if (calls->n == calls->most) {
        confreg_watcher_stop(calls->watcher);
    }
}

static void call_back(const char *address, size_t n)
{
    struct confreg_client *client = connect_to(address);
    const struct confreg_selector selector = {"prod", "service-42", NULL};
    struct calls calls = {.most = n, .times_us = calloc(n, sizeof(int64_t))};
    struct confreg_error error;
    calls.watcher = confreg_watcher_new(client, &selector, 1, NULL, take_change, &calls, &error);
    check(calls.watcher != NULL, &error);
    struct confreg_provider *provider = provide(client, NULL);
    check(confreg_provider_wait_ready(provider, WAIT_MS, &error), &error);
    fprintf(stderr, "ready\n");
    check(confreg_watcher_run(calls.watcher, &error), &error);
    confreg_watcher_free(calls.watcher);
    confreg_provider_free(provider);
    confreg_client_free(client);
    free(calls.times_us);
}

static void write_often(const char *address, size_t n)
{
    struct confreg_client *client = connect_to(address);
    const struct timespec pause = {0, 2000000};
    struct confreg_error error;
    for (size_t i = 0; i < n; i++) {
        char data[64];
        snprintf(data, sizeof data, "{\"n\":%zu}", i);
        const struct confreg_config *config =
            confreg_update(client, "prod", "service-42", data, strlen(data), NULL, &error);
        check(config != NULL, &error);
        printf("%lu %ld\n", (unsigned long)confreg_config_version(config),
               (long)confreg_config_time_us(config));
        confreg_config_unref(config);
        nanosleep(&pause, NULL);
    }
    confreg_client_free(client);
}

/* ---- Many ---- */

static void ignore_change(void *user, const struct confreg_change *change)
{
    (void)user;
    (void)change;
}

static struct confreg_watcher *watch(struct confreg_client *client, size_t number)
{
    char service[32];
    snprintf(service, sizeof service, "service-%zu", number);
    const struct confreg_selector selector = {"prod", service, NULL};
    struct confreg_error error;
    struct confreg_watcher *watcher =
        confreg_watcher_new(client, &selector, 1, NULL, ignore_change, NULL, &error);
    check(watcher != NULL && confreg_watcher_start(watcher, &error), &error);
    return watcher;
}

static long count_streams(struct confreg_client *client)
{
    struct confreg_text status;
    struct confreg_error error;
    check(confreg_call(client, "GetStatus", NULL, 0, NULL, &status, &error), &error);
    const char *streams = strstr(status.data, "\"watch_streams\":");
    long n = streams == NULL ? 0 : strtol(streams + 16 + (streams[16] == '"'), NULL, 10);
    confreg_text_free(&status);
    return n;
}

/* Bytes in use. Large answers come before, so that the core always has as large a buffer (64 KiB)
 * for what the connection brings next. */
static size_t weigh(struct confreg_client *client)
{
    struct confreg_error error;
    for (size_t i = 0; i < 20; i++) {
        check(confreg_call(client, "ListConfigs", "{}", 2, NULL, NULL, &error), &error);
    }
    return mallinfo2().uordblks;
}

/* Of one malloc arena (MALLOC_ARENA_MAX=1), which mallinfo2 tells about. A copy has the configs
 * before: what is counted is the watchers' own. */
static void weigh_watchers(const char *address, size_t n)
{
    const struct timespec pause = {0, 2000000};
    struct confreg_client *client = connect_to(address);
    struct confreg_watcher **watchers = calloc(n + 1, sizeof(struct confreg_watcher *));
    const struct confreg_selector all = {"prod", NULL, NULL};
    struct confreg_error error;
    struct confreg_copy *copy = confreg_copy_new(client, &all, 1, &error);
    check(copy != NULL && confreg_copy_wait_ready(copy, WAIT_MS, &error), &error);
    watchers[0] = watch(client, 0);
    check(confreg_watcher_wait_ready(watchers[0], WAIT_MS, &error), &error);
    count_streams(client);
    size_t before = weigh(client);
    for (size_t i = 1; i <= n; i++) {
        watchers[i] = watch(client, i);
    }
    for (size_t i = 1; i <= n; i++) {
        check(confreg_watcher_wait_ready(watchers[i], WAIT_MS, &error), &error);
    }
    long streams;
    for (size_t i = 0; (streams = count_streams(client)) > 1 && i < 1000; i++) {
        nanosleep(&pause, NULL); /* the server notices the end of a stream that was replaced */
    }
    printf("%zu\n%ld\n", weigh(client) - before, streams);
    for (size_t i = 0; i <= n; i++) {
        confreg_watcher_free(watchers[i]);
    }
    confreg_copy_free(copy);
    confreg_client_free(client);
    free(watchers);
}

static void start_from_file(const char *path)
{
    int64_t before = now_ns(CLOCK_MONOTONIC);
    struct confreg_client *client = connect_to("127.0.0.1:1");
    struct confreg_provider *provider = provide(client, path);
    int64_t port = confreg_provider_get_int64(provider, "db_port", -1);
    int64_t after = now_ns(CLOCK_MONOTONIC);
    struct confreg_error error = {.message = "the file has no such value"};
    check(port == 5432, &error);
    printf("%.2f\n", (double)(after - before) / 1e6);
    confreg_provider_free(provider);
    confreg_client_free(client);
}

static void keep_file(const char *address, const char *path)
{
    struct confreg_client *client = connect_to(address);
    struct confreg_provider *provider = provide(client, path);
    struct confreg_error error;
    check(confreg_provider_wait_ready(provider, WAIT_MS, &error), &error);
    confreg_provider_free(provider); /* after the file was written */
    confreg_client_free(client);
}

static void set(const char *address, const char *data)
{
    struct confreg_client *client = connect_to(address);
    struct confreg_write_options options = CONFREG_WRITE_OPTIONS_INIT;
    options.allow_missing = true;
    struct confreg_error error;
    const struct confreg_config *config =
        confreg_update(client, "prod", "service-42", data, strlen(data), &options, &error);
    check(config != NULL, &error);
    confreg_config_unref(config);
    confreg_client_free(client);
}

static void stay(const char *address, size_t n)
{
    struct confreg_client **clients = calloc(n, sizeof(struct confreg_client *));
    struct confreg_provider **providers = calloc(n, sizeof(struct confreg_provider *));
    struct confreg_error error;
    for (size_t i = 0; i < n; i++) {
        clients[i] = connect_to(address);
        providers[i] = provide(clients[i], NULL);
    }
    for (size_t i = 0; i < n; i++) {
        check(confreg_provider_wait_ready(providers[i], WAIT_MS, &error), &error);
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    exit(0); /* without taking leave of each server */
}

int main(int argc, char **argv)
{
    const char *verb = argc < 3 ? "" : argv[1];
    size_t n = argc < 4 ? 0 : (size_t)atol(argv[3]);
    if (strcmp(verb, "getters") == 0) {
        time_getters(argv[2], n);
    } else if (strcmp(verb, "callbacks") == 0) {
        call_back(argv[2], n);
    } else if (strcmp(verb, "writes") == 0) {
        write_often(argv[2], n);
    } else if (strcmp(verb, "watchers") == 0) {
        weigh_watchers(argv[2], n);
    } else if (strcmp(verb, "set") == 0) {
        set(argv[2], argv[3]);
    } else if (strcmp(verb, "keep") == 0) {
        keep_file(argv[2], argv[3]);
    } else if (strcmp(verb, "file") == 0) {
        start_from_file(argv[2]);
    } else if (strcmp(verb, "stay") == 0) {
        stay(argv[2], n);
    } else {
        fprintf(stderr, "see tests/bench/client_time.c\n");
        return 1;
    }
    return 0;
}
