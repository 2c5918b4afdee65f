/* What many watch streams cost: `bench_watch_load CONFREGD FOLDER CONNECTIONS STREAMS` starts that
 * program with its store in the folder, opens as many streams on each connection, and prints one
 * line a figure: name, value, unit. All streams watch one config.
 *
 * Streams are read by the main thread; writes and reads that are timed have threads of their own,
 * so that what the streams cost this program does not count as the server's. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "confreg/v1/registry_service.pb-c.h"
#include "h2.h"

#define HOST "127.0.0.1"
#define SERVICE "/confreg.v1.RegistryService/"
#define ROUNDS 15
#define BURST 20
#define BURSTS 5
#define MISSED 20 /* commits between the end of the streams and their return */
#define PAYLOAD 500

struct bench {
    const char *program, *folder;
    pid_t server;
    int port;
    size_t n_connections, n_streams; /* in all */
    struct h2 **connections;
    struct stream *streams;

    /* What the streams have told. */
    size_t started;
    uint64_t delivered; /* events */
    uint64_t wanted;
    int64_t last_ns; /* when the last of them came */
    uint64_t goal;   /* a revision, … */
    size_t reached;  /* … and how many streams have got there */
    uint64_t newest; /* revision; the header of which is: */
    uint8_t header[64];
    size_t n_header;
};

struct stream {
    struct h2_call call;
    struct bench *bench;
    bool has_reached;
};

static void print(const char *name, double value, const char *unit)
{
    printf("%-36s %12.3f %s\n", name, value, unit);
    fflush(stdout);
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *times, size_t n)
{
    qsort(times, n, sizeof times[0], by_size);
    return times[n / 2];
}

/* ---- The server ---- */

static struct sockaddr_in address_of(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

static int free_port(void)
{
    struct sockaddr_in name = address_of(0);
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &size) != 0) {
        h2_die("a free port");
    }
    close(fd);
    return ntohs(name.sin_port);
}

static bool listens(int port)
{
    struct sockaddr_in name = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return ok;
}

static void start_server(struct bench *b)
{
    char listen[64];
    char store[512];
    snprintf(listen, sizeof listen, "%s:%d", HOST, b->port);
    snprintf(store, sizeof store, "sqlite:%s/watch.db", b->folder);
    b->server = fork();
    if (b->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends with this program, however that ends */
        execl(b->program, b->program, "--listen", listen, "--store", store, "--log-level", "ERROR",
              (char *)NULL);
        _exit(127);
    }
    while (!listens(b->port)) {
        const struct timespec pause = {.tv_nsec = 5000000};
        if (waitpid(b->server, NULL, WNOHANG) != 0) {
            h2_die(b->program);
        }
        nanosleep(&pause, NULL);
    }
}

static void stop_server(struct bench *b)
{
    int status;
    kill(b->server, SIGTERM);
    if (waitpid(b->server, &status, 0) < 0 || status != 0) {
        h2_die("the server's end");
    }
}

static double resident_bytes(const struct bench *b)
{
    char path[64];
    unsigned long size = 0;
    unsigned long resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)b->server);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2) {
        h2_die(path);
    }
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* Of all its threads, user and system. */
static double cpu_seconds(const struct bench *b)
{
    char path[64];
    char text[1024] = "";
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)b->server);
    FILE *file = fopen(path, "r");
    const char *rest =
        file != NULL && fgets(text, sizeof text, file) != NULL ? strrchr(text, ')') : NULL;
    if (rest == NULL || sscanf(rest, ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
                               &system) != 2) {
        h2_die(path);
    }
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- Responses: looked through, not unpacked ---- */

static uint64_t varint(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (; (**at & 0x80) != 0; shift += 7, ++*at) {
        value |= (uint64_t)(**at & 0x7f) << shift;
    }
    return value | (uint64_t) * (*at)++ << shift;
}

static uint64_t revision_of(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t key = varint(&at);
        if (key == (2 << 3)) {
            return varint(&at);
        }
        at += (key & 7) == 1 ? 8 : varint(&at);
    }
    return 0;
}

static void take_header(struct stream *stream, const uint8_t *header, size_t n)
{
    struct bench *b = stream->bench;
    uint64_t revision = revision_of(header, header + n);
    if (revision > b->newest && n <= sizeof b->header) {
        b->newest = revision;
        memcpy(b->header, header, n);
        b->n_header = n;
    }
    if (!stream->has_reached && b->goal != 0 && revision >= b->goal) {
        stream->has_reached = true;
        b->reached++;
        b->last_ns = clock_monotonic_ns();
    }
}

/* {Position header = 1; repeated Config configs = 2; repeated Event events = 3; kind = 4; …} */
static void take_response(struct h2_call *call, const uint8_t *data, size_t n)
{
    struct stream *stream = CONTAINER_OF(call, struct stream, call);
    struct bench *b = stream->bench;
    const uint8_t *at = data;
    uint64_t events = 0;
    while (at < data + n) {
        uint64_t key = varint(&at);
        uint64_t value = varint(&at);
        if (key == (1 << 3 | 2)) {
            take_header(stream, at, value);
        }
        if (key == (4 << 3)) {
            b->started += value == CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_STARTED;
        }
        events += key == (3 << 3 | 2);
        at += (key & 7) == 2 ? value : 0;
    }
    b->delivered += events;
    if (events > 0 && b->delivered >= b->wanted && b->goal == 0) {
        b->last_ns = clock_monotonic_ns();
    }
}

static void stream_ended(struct h2_call *call)
{
    (void)call;
    h2_die("a stream that ended");
}

/* ---- Streams ---- */

static void open_streams(struct bench *b, Confreg__V1__Position *after)
{
    Confreg__V1__WatchRequest request;
    Confreg__V1__Selector selector;
    Confreg__V1__Selector *selectors[] = {&selector};
    confreg__v1__watch_request__init(&request);
    confreg__v1__selector__init(&selector);
    selector.environment = (char *)(uintptr_t) "prod";
    selector.service_name = (char *)(uintptr_t) "watched";
    request.selectors = selectors;
    request.n_selectors = 1;
    request.resume_after = after;
    b->started = 0;
    for (size_t i = 0; i < b->n_connections; i++) {
        b->connections[i] = h2_connect(HOST, b->port);
    }
    for (size_t i = 0; i < b->n_streams; i++) {
        struct stream *stream = &b->streams[i];
        *stream = (struct stream){.bench = b};
        stream->call.message = take_response;
        stream->call.ended = stream_ended;
        h2_call(b->connections[i % b->n_connections], SERVICE "Watch", &request.base,
                &stream->call);
    }
}

static void close_streams(struct bench *b)
{
    for (size_t i = 0; i < b->n_connections; i++) {
        h2_close(b->connections[i]);
    }
    for (size_t i = 0; i < b->n_streams; i++) {
        h2_call_fini(&b->streams[i].call);
    }
}

static bool all_started(void *user)
{
    const struct bench *b = user;
    return b->started == b->n_streams;
}

static bool all_delivered(void *user)
{
    const struct bench *b = user;
    return b->delivered >= b->wanted;
}

static bool all_reached(void *user)
{
    const struct bench *b = user;
    return b->reached == b->n_streams;
}

/* ---- Unary calls, on a thread of their own ---- */

struct unary {
    struct h2_call call;
    size_t *left;
    int64_t sent_ns, answered_ns;
};

static void ignore_answer(struct h2_call *call, const uint8_t *data, size_t n)
{
    (void)call;
    (void)data;
    (void)n;
}

static void answered(struct h2_call *call)
{
    struct unary *unary = CONTAINER_OF(call, struct unary, call);
    unary->answered_ns = clock_monotonic_ns();
    if (!call->ok) {
        h2_die("a call");
    }
    --*unary->left;
}

static bool none_left(void *user)
{
    return *(const size_t *)user == 0;
}

/* n calls at once; returns when all are answered. */
static void call_at_once(struct h2 *connection, const char *path, const ProtobufCMessage *request,
                         struct unary *calls, size_t n)
{
    size_t left = n;
    for (size_t i = 0; i < n; i++) {
        calls[i].call.message = ignore_answer;
        calls[i].call.ended = answered;
        calls[i].left = &left;
        calls[i].sent_ns = clock_monotonic_ns();
        h2_call(connection, path, request, &calls[i].call);
    }
    h2_run(&connection, 1, none_left, &left);
}

static void update(struct h2 *connection, const char *service, struct unary *calls, size_t n)
{
    static char payload[PAYLOAD + 1];
    Confreg__V1__UpdateConfigRequest request;
    snprintf(payload, sizeof payload, "{\"x\":\"%0*d\"}", PAYLOAD - 8, 0);
    confreg__v1__update_config_request__init(&request);
    request.environment = (char *)(uintptr_t) "prod";
    request.service_name = (char *)(uintptr_t)service;
    request.allow_missing = true;
    request.content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
    request.config_data.data = (uint8_t *)payload;
    request.config_data.len = PAYLOAD;
    call_at_once(connection, SERVICE "UpdateConfig", &request.base, calls, n);
}

struct writer {
    pthread_t thread;
    struct bench *bench;
    size_t n;             /* writes at once */
    atomic_bool *forever; /* NULL: once */
    int64_t sent_ns;      /* the first */
    int64_t took_ns;
};

static void *run_writer(void *argument)
{
    struct writer *writer = argument;
    struct unary calls[BURST] = {0};
    struct h2 *connection = h2_connect(HOST, writer->bench->port);
    do {
        update(connection, "watched", calls, writer->n);
    } while (writer->forever != NULL && atomic_load(writer->forever));
    writer->sent_ns = calls[0].sent_ns;
    writer->took_ns = calls[0].answered_ns - calls[0].sent_ns;
    h2_close(connection);
    for (size_t i = 0; i < writer->n; i++) {
        h2_call_fini(&calls[i].call);
    }
    return NULL;
}

static void start_writer(struct writer *writer, struct bench *b, size_t n, atomic_bool *forever)
{
    *writer = (struct writer){.bench = b, .n = n, .forever = forever};
    pthread_create(&writer->thread, NULL, run_writer, writer);
}

/* A reader that asks for the config again and again, and keeps the longest it had to wait. */
struct probe {
    pthread_t thread;
    struct bench *bench;
    atomic_bool stop;
    atomic_int_fast64_t slowest_ns;
};

static void *run_probe(void *argument)
{
    struct probe *probe = argument;
    struct unary call = {0};
    struct h2 *connection = h2_connect(HOST, probe->bench->port);
    Confreg__V1__GetConfigRequest request;
    confreg__v1__get_config_request__init(&request);
    request.environment = (char *)(uintptr_t) "prod";
    request.service_name = (char *)(uintptr_t) "watched";
    while (!atomic_load(&probe->stop)) {
        call_at_once(connection, SERVICE "GetConfig", &request.base, &call, 1);
        int64_t took = call.answered_ns - call.sent_ns;
        if (took > atomic_load(&probe->slowest_ns)) {
            atomic_store(&probe->slowest_ns, took);
        }
    }
    h2_close(connection);
    h2_call_fini(&call.call);
    return NULL;
}

static void start_probe(struct probe *probe, struct bench *b)
{
    probe->bench = b;
    atomic_init(&probe->stop, false);
    atomic_init(&probe->slowest_ns, 0);
    pthread_create(&probe->thread, NULL, run_probe, probe);
}

static void stop_probe(struct probe *probe)
{
    atomic_store(&probe->stop, true);
    pthread_join(probe->thread, NULL);
}

/* ---- Figures ---- */

/* How long a write takes that no stream wants. */
static int64_t time_unwatched(struct bench *b)
{
    int64_t times[ROUNDS * 10];
    struct unary call = {0};
    struct h2 *connection = h2_connect(HOST, b->port);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        update(connection, "unwatched", &call, 1);
        times[i] = call.answered_ns - call.sent_ns;
    }
    h2_close(connection);
    h2_call_fini(&call.call);
    return median(times, COUNT_OF(times));
}

/* n changes at once; returns when every stream has them all, with the time that took. */
static int64_t fan_out(struct bench *b, size_t n, int64_t *ret_write_ns)
{
    struct writer writer;
    b->wanted = b->delivered + n * b->n_streams;
    start_writer(&writer, b, n, NULL);
    h2_run(b->connections, b->n_connections, all_delivered, b);
    pthread_join(writer.thread, NULL);
    *ret_write_ns = writer.took_ns;
    return b->last_ns - writer.sent_ns;
}

static void figure_open(struct bench *b)
{
    double before = resident_bytes(b);
    int64_t begun = clock_monotonic_ns();
    open_streams(b, NULL);
    h2_run(b->connections, b->n_connections, all_started, b);
    print("watch_open", ms(clock_monotonic_ns() - begun), "ms");
    print("watch_memory_of_idle_stream", (resident_bytes(b) - before) / 1024 / (double)b->n_streams,
          "KiB");
}

static void figure_one_change(struct bench *b)
{
    int64_t all[ROUNDS];
    int64_t write[ROUNDS];
    int64_t slowest[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        struct probe probe;
        start_probe(&probe, b);
        all[i] = fan_out(b, 1, &write[i]);
        stop_probe(&probe);
        slowest[i] = atomic_load(&probe.slowest_ns);
    }
    print("watch_one_change_delivered", ms(median(all, ROUNDS)), "ms");
    print("watch_one_change_delivered_worst", ms(all[ROUNDS - 1]), "ms");
    print("watch_write_with_streams", ms(median(write, ROUNDS)), "ms");
    print("watch_slowest_read_meanwhile", ms(median(slowest, ROUNDS)), "ms");
    print("watch_slowest_read_meanwhile_worst", ms(slowest[ROUNDS - 1]), "ms");
}

/* Without a reader beside it, which would count as the server's, too. */
static void figure_cpu(struct bench *b)
{
    int64_t write;
    double before = cpu_seconds(b);
    for (size_t i = 0; i < ROUNDS; i++) {
        fan_out(b, 1, &write);
    }
    double each = (cpu_seconds(b) - before) / (double)(ROUNDS * b->n_streams);
    print("watch_cpu_of_a_message", each * 1e6, "us");
}

static void figure_burst(struct bench *b)
{
    int64_t all[BURSTS];
    int64_t write;
    for (size_t i = 0; i < BURSTS; i++) {
        all[i] = fan_out(b, BURST, &write);
    }
    int64_t took = median(all, BURSTS);
    print("watch_burst_delivered", ms(took), "ms");
    print("watch_burst_rate", (double)(BURST * b->n_streams) / ms(took) / 1e3, "M/s");
}

/* n changes of the config that is watched, one after the other. */
static void write_some(struct bench *b, size_t n)
{
    struct unary call = {0};
    struct h2 *connection = h2_connect(HOST, b->port);
    for (size_t i = 0; i < n; i++) {
        update(connection, "watched", &call, 1);
    }
    h2_close(connection);
    h2_call_fini(&call.call);
}

/* All streams come back at once behind what they had, to a server that has just started and goes on
 * being written to. */
static void figure_resume(struct bench *b)
{
    struct writer writer;
    atomic_bool go_on = true;
    Confreg__V1__Position *after = confreg__v1__position__unpack(NULL, b->n_header, b->header);
    if (after == NULL) {
        h2_die("a header");
    }
    close_streams(b);
    write_some(b, MISSED);
    stop_server(b);
    start_server(b);
    start_writer(&writer, b, 1, &go_on);
    b->goal = after->revision + MISSED;
    b->delivered = 0;
    int64_t begun = clock_monotonic_ns();
    open_streams(b, after);
    h2_run(b->connections, b->n_connections, all_reached, b);
    print("watch_resume_all", ms(b->last_ns - begun), "ms");
    atomic_store(&go_on, false);
    pthread_join(writer.thread, NULL);
    if (b->delivered < MISSED * b->n_streams) {
        h2_die("events that were missed");
    }
    close_streams(b);
    confreg__v1__position__free_unpacked(after, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 5 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1) {
        fputs("usage: bench_watch_load CONFREGD FOLDER CONNECTIONS STREAMS\n", stderr);
        return 2;
    }
    struct bench b = {.program = argv[1], .folder = argv[2], .port = free_port()};
    b.n_connections = strtoul(argv[3], NULL, 10);
    b.n_streams = b.n_connections * strtoul(argv[4], NULL, 10);
    b.connections = mem_array(b.n_connections, sizeof b.connections[0]);
    b.streams = mem_array(b.n_streams, sizeof b.streams[0]);
    start_server(&b);
    write_some(&b, 1);
    print("watch_write_without_streams", ms(time_unwatched(&b)), "ms");
    figure_open(&b);
    print("watch_write_that_none_wants", ms(time_unwatched(&b)), "ms");
    figure_one_change(&b);
    figure_cpu(&b);
    figure_burst(&b);
    figure_resume(&b);
    stop_server(&b);
    free(b.connections);
    free(b.streams);
    return EXIT_SUCCESS;
}
