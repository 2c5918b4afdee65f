/* Identities by themselves: `bench_access FILE TOKENS-FILE SECONDS` opens an access file, then
 * identifies the owners of the tokens, one a line, in turn. Prints
 *     {"seconds": to open it, "bytes": of memory, "ns": of processor time for a call's caller} */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "clock.h"
#include "file.h"

#define TOKENS_BYTES (256u << 20)

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_bytes(void)
{
    double pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*f %lf", &pages) != 1) {
        perror("/proc/self/statm");
        exit(2);
    }
    fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static void refuse(const char *what, const struct status *st)
{
    fprintf(stderr, "%s: %s\n", what, st->message);
    exit(2);
}

/* Splits a text into its lines, in place. */
static char **split(struct buf *text, size_t *ret_n)
{
    char **lines = mem_array(text->len / 2 + 1, sizeof lines[0]);
    *ret_n = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)text->data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        lines[(*ret_n)++] = line;
    }
    return lines;
}

static void identify(struct access *access, const char *token)
{
    char header[128];
    int n = snprintf(header, sizeof header, "Bearer %s", token);
    const struct credentials given = {
        .authorization = header, .n_authorization = (size_t)n, .certificate = ""};
    struct caller *caller = NULL;
    struct status st;
    if (!access_identify(access, &given, &caller, &st)) {
        refuse("a token", &st);
    }
    caller_unref(caller);
}

static double time_of_one(struct access *access, char **tokens, size_t n, double seconds)
{
    double start = processor_seconds();
    double passed = 0;
    size_t done = 0;
    do {
        for (int i = 0; i < 1000; i++, done++) {
            identify(access, tokens[done % n]);
        }
        passed = processor_seconds() - start;
    } while (passed < seconds);
    return passed * 1e9 / (double)done;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_access FILE TOKENS-FILE SECONDS\n");
        return 2;
    }
    struct status st;
    AUTO(buf_unref) struct buf *text = NULL;
    if (!file_read(argv[2], TOKENS_BYTES, &text, NULL, &st)) {
        refuse(argv[2], &st);
    }
    size_t n;
    AUTO(free) char **tokens = split(text, &n);
    const struct access_options options = {.file = argv[1]};
    struct access *access = NULL;
    double before = resident_bytes();
    int64_t begun = clock_monotonic_ns();
    if (!access_open(&options, &access, &st)) {
        refuse(argv[1], &st);
    }
    double seconds = (double)(clock_monotonic_ns() - begun) / 1e9;
    double bytes = resident_bytes() - before;
    printf("{\"seconds\": %.3f, \"bytes\": %.0f, \"ns\": %.0f}\n", seconds, bytes,
           time_of_one(access, tokens, n, atof(argv[3])));
    access_close(access);
    return 0;
}
