/* The search for secrets by itself.
 *
 * `bench_secrets find` reads lines of JSON objects and prints for each a line
 *     {"ns": nanoseconds of processor time, "found": [["rule", "pointer"], …]}
 * `bench_secrets time SECONDS` reads one object and prints the same, the time as the mean of many.
 * `bench_secrets rules` prints the names of the rules and what they find, a line each. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "secrets.h"

static double processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct buf *check(const char *line, size_t n)
{
    static const struct json_limits limits = {.max_bytes = 64u << 20, .max_depth = 64};
    struct buf *json = NULL;
    struct status st;
    if (!json_check(line, n, &limits, "line", &json, &st)) {
        fprintf(stderr, "%s\n", st.message);
        exit(2);
    }
    return json;
}

static void print(const struct secret_report *report, double ns)
{
    AUTO_STR out = {0};
    str_addf(&out, "{\"ns\": %.0f, \"found\": [", ns);
    for (size_t i = 0; i < report->n; i++) {
        str_add_text(&out, i == 0 ? "[" : ", [");
        json_add_text(&out, "", report->findings[i].rule->name);
        json_add_text(&out, ", ", report->findings[i].pointer);
        str_add_char(&out, ']');
    }
    printf("%s]}\n", str_text(&out));
}

/* Searches for so long, 1,000 times between two looks at the clock, or once. */
static void search(struct json_text object, double seconds)
{
    struct secret_report report = {0};
    double start = processor_ns();
    double passed = 0;
    double n = 0;
    do {
        for (int i = 0; i < (seconds > 0 ? 1000 : 1); i++, n++) {
            secret_report_fini(&report);
            secrets_find(object, &report);
        }
        passed = processor_ns() - start;
    } while (passed < seconds * 1e9);
    print(&report, passed / n);
    secret_report_fini(&report);
}

static void search_lines(double seconds)
{
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        AUTO(buf_unref) struct buf *json = check(line, (size_t)n);
        search(json_of_buf(json), seconds);
    }
    free(line);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "find") == 0 && argc == 2) {
        search_lines(0);
    } else if (strcmp(command, "time") == 0 && argc == 3) {
        search_lines(atof(argv[2]));
    } else if (strcmp(command, "rules") == 0) {
        size_t place = 0;
        for (const struct secret_rule *rule; (rule = secrets_next_rule(&place)) != NULL;) {
            printf("%s\t%s\n", rule->name, rule->what);
        }
    } else {
        fprintf(stderr, "usage: bench_secrets find | time SECONDS | rules\n");
        return 2;
    }
    return 0;
}
