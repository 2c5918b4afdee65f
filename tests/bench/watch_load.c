/* Measures the cost of many watch streams: `bench_watch_load CONFREGD FOLDER CONNECTIONS STREAMS
 * ETCD_PORT ETCD_PID` starts that program with its store in the folder, opens as many streams on
 * each connection, and prints one line a figure: name, value, unit, and what etcd's is. All streams
 * of a server watch one key. The etcd that runs there is watched in two ways: as here, by a stream
 * a watch; and as its own clients do it, by one stream a connection with all of its watches, of
 * another key. The three have their turns in the same rounds. Then both are watched by one stream a
 * connection with STREAMS watches of as many keys. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "confregd.h"
#include "watch_streams.h"

#define ROUNDS 15
#define BURST MAX_AT_ONCE
#define BURSTS 5
#define MISSED 20 /* commits between the end of the streams and their return */

enum { OURS, ETCD, ETCD_SHARED, SIDES };

struct side {
    struct watch_streams streams;
    pid_t pid;
    int64_t times[ROUNDS];
    int64_t writes[ROUNDS];
    int64_t slowest[ROUNDS];
};

struct bench {
    struct confregd confregd;
    struct side sides[SIDES];
};

/* ---- Printing ---- */

static void print(const char *name, double value, const char *unit)
{
    printf("%s %.3f %s\n", name, value, unit);
    fflush(stdout);
}

/* Ours, beside etcd's. */
static void print_sides(const char *name, const double values[SIDES], const char *unit)
{
    printf("%s %.3f %s etcd %.3f %s, with one stream a connection %.3f %s\n", name, values[OURS],
           unit, values[ETCD], unit, values[ETCD_SHARED], unit);
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

/* Sorts them. */
static int64_t median(int64_t *times, size_t n)
{
    qsort(times, n, sizeof times[0], by_size);
    return times[n / 2];
}

/* The medians of the rounds. */
static void print_pair(const char *name, int64_t ours[ROUNDS], int64_t etcd[ROUNDS])
{
    printf("%s %.3f ms etcd %.3f ms\n", name, ms(median(ours, ROUNDS)), ms(median(etcd, ROUNDS)));
    fflush(stdout);
}

/* ---- Figures ---- */

/* n commits to the keys, one after the other. */
static void write_some(const struct watch_streams *s, const struct keys *keys, int64_t *times,
                       size_t n)
{
    struct unary call = {0};
    struct h2 *connection = h2_connect(HOST, s->port);
    for (size_t i = 0; i < n; i++) {
        call_at_once(connection, s->api->write, keys, &call, 1);
        times[i] = call.answered_ns - call.sent_ns;
    }
    h2_close(connection);
    h2_call_fini(&call.call);
}

static void figure_unwatched(struct bench *b, const char *name)
{
    const struct keys unwatched = {"unwatched", 1};
    int64_t times[ROUNDS * 10];
    write_some(&b->sides[OURS].streams, &unwatched, times, COUNT_OF(times));
    print(name, ms(median(times, COUNT_OF(times))), "ms");
}

static void figure_open(struct bench *b)
{
    double took[SIDES];
    double memory[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &b->sides[i];
        double before = resident_bytes(side->pid);
        int64_t begun = clock_monotonic_ns();
        watch_streams_open(&side->streams, NULL);
        watch_streams_wait_started(&side->streams);
        took[i] = ms(clock_monotonic_ns() - begun);
        memory[i] = (resident_bytes(side->pid) - before) / 1024 /
                    (double)watch_streams_watches(&side->streams);
    }
    print_sides("watch_open", took, "ms");
    print_sides("watch_memory_of_idle_stream", memory, "KiB");
}

static void change_beside_a_reader(struct side *side, size_t round)
{
    struct probe probe;
    probe_start(&probe, &side->streams);
    side->times[round] = watch_streams_change(&side->streams, 1, &side->writes[round]);
    probe_stop(&probe);
    side->slowest[round] = probe.slowest_ns;
}

static double announce_seconds(const struct bench *b)
{
    return confregd_metric(&b->confregd, "confreg_commit_announce_duration_seconds_sum");
}

static void print_one_change(struct bench *b, int64_t blocked[ROUNDS])
{
    double delivered[SIDES], worst[SIDES], write[SIDES], slowest[SIDES], slowest_worst[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &b->sides[i];
        delivered[i] = ms(median(side->times, ROUNDS));
        worst[i] = ms(side->times[ROUNDS - 1]);
        write[i] = ms(median(side->writes, ROUNDS));
        slowest[i] = ms(median(side->slowest, ROUNDS));
        slowest_worst[i] = ms(side->slowest[ROUNDS - 1]);
    }
    print_sides("watch_one_change_delivered", delivered, "ms");
    print_sides("watch_one_change_delivered_worst", worst, "ms");
    print("watch_writer_blocked_by_a_change", ms(median(blocked, ROUNDS)), "ms");
    print("watch_writer_blocked_by_a_change_worst", ms(blocked[ROUNDS - 1]), "ms");
    print_sides("watch_write_with_streams", write, "ms");
    print_sides("watch_slowest_read_meanwhile", slowest, "ms");
    print_sides("watch_slowest_read_meanwhile_worst", slowest_worst, "ms");
}

static void figure_one_change(struct bench *b)
{
    int64_t blocked[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        double before = announce_seconds(b);
        for (size_t i = 0; i < SIDES; i++) {
            change_beside_a_reader(&b->sides[i], round);
        }
        blocked[round] = (int64_t)((announce_seconds(b) - before) * 1e9);
    }
    print_one_change(b, blocked);
}

/* Without a reader beside it, which would count as the server's, too. */
static void figure_cpu(struct bench *b)
{
    int64_t write;
    double each[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &b->sides[i];
        double before = cpu_seconds(side->pid);
        for (size_t round = 0; round < ROUNDS; round++) {
            watch_streams_change(&side->streams, 1, &write);
        }
        each[i] = (cpu_seconds(side->pid) - before) * 1e6 /
                  (double)(ROUNDS * watch_streams_watches(&side->streams));
    }
    print_sides("watch_cpu_of_a_message", each, "us");
}

static void figure_burst(struct bench *b)
{
    int64_t write;
    double took[SIDES];
    double rate[SIDES];
    for (size_t round = 0; round < BURSTS; round++) {
        for (size_t i = 0; i < SIDES; i++) {
            struct side *side = &b->sides[i];
            side->times[round] = watch_streams_change(&side->streams, BURST, &write);
        }
    }
    for (size_t i = 0; i < SIDES; i++) {
        took[i] = ms(median(b->sides[i].times, BURSTS));
        rate[i] = (double)(BURST * watch_streams_watches(&b->sides[i].streams)) / took[i] / 1e3;
    }
    print_sides("watch_burst_delivered", took, "ms");
    print_sides("watch_burst_rate", rate, "M/s");
}

/* Watches as clients open them: a connection has one stream, which watches as many keys as a
 * connection has streams else. One commit changes all of the keys, so that each watch has an event
 * of it. */
static void figure_selectors(const struct bench *b)
{
    struct side sides[] = {b->sides[OURS], b->sides[ETCD]};
    int64_t ignored[ROUNDS];
    size_t connections = sides[0].streams.n_connections;
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        struct watch_streams *s = &sides[i].streams;
        size_t n = b->sides[ETCD_SHARED].streams.per_stream;
        *s = (struct watch_streams){.api = s->api,
                                    .keys = {"selected", n},
                                    .port = s->port,
                                    .n_connections = connections,
                                    .n_streams = connections,
                                    .per_stream = n};
        write_some(s, &s->keys, ignored, 1);
        watch_streams_open(s, NULL);
        watch_streams_wait_started(s);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT_OF(sides); i++) {
            struct side *side = &sides[i];
            side->times[round] = watch_streams_change(&side->streams, 1, &side->writes[round]);
        }
    }
    print_pair("watch_commit_to_selectors_delivered", sides[0].times, sides[1].times);
    print_pair("watch_commit_to_selectors_answered", sides[0].writes, sides[1].writes);
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        watch_streams_close(&sides[i].streams);
    }
}

/* All streams come back at once behind what they had, to a server that has just started and goes on
 * being written to. */
static void figure_resume(struct bench *b)
{
    struct watch_streams *s = &b->sides[OURS].streams;
    struct writer writer;
    atomic_bool go_on = true;
    int64_t times[MISSED];
    Confreg__V1__Position *after = confreg__v1__position__unpack(NULL, s->n_header, s->header);
    if (after == NULL) {
        h2_die("a header");
    }
    watch_streams_close(s);
    write_some(s, &s->keys, times, MISSED);
    confregd_stop(&b->confregd);
    confregd_start(&b->confregd);
    writer_start(&writer, s, 1, &go_on);
    s->goal = after->revision + MISSED;
    s->delivered = 0;
    int64_t begun = clock_monotonic_ns();
    watch_streams_open(s, after);
    watch_streams_wait_reached(s);
    print("watch_resume_all", ms(s->last_ns - begun), "ms");
    atomic_store(&go_on, false);
    writer_join(&writer);
    if (s->delivered < MISSED * s->n_streams) {
        h2_die("events that were missed");
    }
    watch_streams_close(s);
    confreg__v1__position__free_unpacked(after, NULL);
}

/* ---- All of it ---- */

static void make_sides(struct bench *b, size_t connections, size_t streams, int etcd_port,
                       pid_t etcd_pid)
{
    const struct watch_streams of[SIDES] = {
        [OURS] = {.api = &api_confreg,
                  .keys = {"watched", 1},
                  .port = b->confregd.port,
                  .per_stream = 1},
        [ETCD] = {.api = &api_etcd, .keys = {"watched", 1}, .port = etcd_port, .per_stream = 1},
        [ETCD_SHARED] = {.api = &api_etcd,
                         .keys = {"watched-shared", 1},
                         .port = etcd_port,
                         .per_stream = streams}};
    for (size_t i = 0; i < SIDES; i++) {
        b->sides[i].streams = of[i];
        b->sides[i].streams.n_connections = connections;
        b->sides[i].streams.n_streams = connections * streams / of[i].per_stream;
        b->sides[i].pid = i == OURS ? b->confregd.pid : etcd_pid;
    }
}

int main(int argc, char **argv)
{
    int64_t took;
    if (argc != 7 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1 || atoi(argv[4]) > KEYS_MAX) {
        fputs("usage: bench_watch_load CONFREGD FOLDER CONNECTIONS STREAMS ETCD_PORT ETCD_PID\n",
              stderr);
        return 2;
    }
    struct bench b = {.confregd = {.program = argv[1], .folder = argv[2]}};
    confregd_start(&b.confregd);
    make_sides(&b, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), atoi(argv[5]),
               (pid_t)atoi(argv[6]));
    for (size_t i = 0; i < SIDES; i++) {
        write_some(&b.sides[i].streams, &b.sides[i].streams.keys, &took, 1);
    }
    figure_unwatched(&b, "watch_write_without_streams");
    figure_open(&b);
    figure_unwatched(&b, "watch_write_that_none_wants");
    figure_one_change(&b);
    figure_cpu(&b);
    figure_burst(&b);
    watch_streams_close(&b.sides[ETCD].streams);
    watch_streams_close(&b.sides[ETCD_SHARED].streams);
    figure_selectors(&b);
    figure_resume(&b);
    confregd_stop(&b.confregd);
    return EXIT_SUCCESS;
}
