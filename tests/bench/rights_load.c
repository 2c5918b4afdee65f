/* Measures what rights cost an event: `bench_rights_load CONFREGD FOLDER CONNECTIONS STREAMS
 * PRINCIPALS` starts that program twice, once with an access file of so many principals, opens as
 * many streams on each connection to both, and prints one line a figure: name, what it takes
 * without rights, with rights, the ratio of the two.
 *
 * Each principal may read by patterns. The streams select the key that changes; then everything, of
 * which their principals may read a part, so that each event is checked for each stream. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bearer.h"
#include "clock.h"
#include "confregd.h"
#include "watch_streams.h"

#define ROUNDS 61

enum { WITHOUT, WITH, SIDES };

struct side {
    struct confregd confregd;
    struct watch_streams streams;
    double delivered[ROUNDS]; /* ms */
    double cpu_s;             /* in all rounds */
};

/* ---- The access file ---- */

static char *add_principal(struct str *file, size_t i)
{
    char hash[2 * HASH_SIZE + 1];
    char *token = mem_alloc(BEARER_TOKEN_SIZE);
    bearer_token_new(token);
    struct hash digest = bearer_token_hash(token, BEARER_TOKEN_LENGTH);
    hex_encode(digest.bytes, HASH_SIZE, hash);
    str_addf(file,
             "%s{\"name\": \"p-%zu\", \"tokens\": [{\"sha256\": \"%s\"}], \"grants\": [{\"role\": "
             "\"reader\", \"environments\": [\"prod\"], \"services\": [\"own-%zu-*\", "
             "\"watch*\"]}]}",
             i == 0 ? "" : ", ", i, hash, i);
    return token;
}

static char **write_access_file(const char *path, size_t n)
{
    char **tokens = mem_array(n, sizeof tokens[0]);
    AUTO_STR text = {0};
    str_addf(&text, "{\"principals\": [");
    for (size_t i = 0; i < n; i++) {
        tokens[i] = add_principal(&text, i);
    }
    str_addf(&text, "]}");
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(str_text(&text), file) < 0 || fclose(file) != 0 ||
        chmod(path, 0600) != 0) {
        h2_die(path);
    }
    return tokens;
}

/* ---- Figures ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof values[0], by_size);
    return values[ROUNDS / 2];
}

static void print(const char *name, double without, double with, const char *unit)
{
    printf("%s %.3f %.3f %s %.3f\n", name, without, with, unit, without / with);
    fflush(stdout);
}

static double cpu_us(const struct side *side)
{
    return side->cpu_s * 1e6 / (double)(ROUNDS * watch_streams_watches(&side->streams));
}

static void change(struct side *side, size_t round)
{
    int64_t write;
    double before = cpu_seconds(side->confregd.pid);
    side->delivered[round] = (double)watch_streams_change(&side->streams, 1, &write) / 1e6;
    side->cpu_s += cpu_seconds(side->confregd.pid) - before;
}

static void measure(struct side sides[SIDES], const struct api *api, const char *names[2])
{
    for (size_t i = 0; i < SIDES; i++) {
        sides[i].streams.api = api;
        watch_streams_open(&sides[i].streams, NULL);
        watch_streams_wait_started(&sides[i].streams);
        change(&sides[i], 0);
        sides[i].cpu_s = 0;
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SIDES; i++) {
            change(&sides[(i + round) % SIDES], round);
        }
    }
    for (size_t i = 0; i < SIDES; i++) {
        watch_streams_close(&sides[i].streams);
    }
    print(names[0], median(sides[WITHOUT].delivered), median(sides[WITH].delivered), "ms");
    print(names[1], cpu_us(&sides[WITHOUT]), cpu_us(&sides[WITH]), "us");
}

static void start(struct side *side, const char *program, const char *folder, size_t connections,
                  size_t streams)
{
    if (mkdir(folder, 0700) != 0) {
        h2_die(folder);
    }
    side->confregd.program = program;
    side->confregd.folder = folder;
    confregd_start(&side->confregd);
    side->streams = (struct watch_streams){.keys = {"watched", 1},
                                           .port = side->confregd.port,
                                           .n_connections = connections,
                                           .n_streams = connections * streams,
                                           .per_stream = 1};
}

int main(int argc, char **argv)
{
    static const char *exact[] = {"rights_event_selected", "rights_event_selected_cpu"};
    static const char *wide[] = {"rights_event_filtered", "rights_event_filtered_cpu"};
    if (argc != 6 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1 || atoi(argv[5]) < 1) {
        fputs("usage: bench_rights_load CONFREGD FOLDER CONNECTIONS STREAMS PRINCIPALS\n", stderr);
        return 2;
    }
    struct side sides[SIDES] = {0};
    size_t n_tokens = strtoul(argv[5], NULL, 10);
    char folders[SIDES][512];
    char access[512];
    snprintf(access, sizeof access, "%s/access.json", argv[2]);
    char **tokens = write_access_file(access, n_tokens);
    sides[WITH].confregd.access = access;
    for (size_t i = 0; i < SIDES; i++) {
        snprintf(folders[i], sizeof folders[i], "%s/%s", argv[2], i == WITH ? "with" : "without");
        start(&sides[i], argv[1], folders[i], strtoul(argv[3], NULL, 10),
              strtoul(argv[4], NULL, 10));
    }
    sides[WITH].streams.tokens = tokens;
    sides[WITH].streams.n_tokens = n_tokens;
    measure(sides, &api_confreg, exact);
    measure(sides, &api_confreg_wide, wide);
    for (size_t i = 0; i < SIDES; i++) {
        confregd_stop(&sides[i].confregd);
    }
    for (size_t i = 0; i < n_tokens; i++) {
        free(tokens[i]);
    }
    free(tokens);
    return EXIT_SUCCESS;
}
