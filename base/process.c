#include "process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "metrics.h"

/* Reads a small file of /proc as text. False: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
    return n > 0;
}

/* Of /proc/self/stat: fields count from 1; the second is in brackets and may hold anything. */
static bool read_stat(uint64_t *fields, size_t n_fields)
{
    char text[2048];
    const char *at = read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    for (size_t i = 3; i <= n_fields; i++) {
        at = at == NULL ? NULL : strchr(at, ' ');
        if (at == NULL) {
            return false;
        }
        at++;
        fields[i - 1] = strtoull(at, NULL, 10);
    }
    return true;
}

/* Seconds since 1970; 0: not known. */
static double boot_time(void)
{
    char text[65536];
    const char *line = read_text("/proc/stat", text, sizeof text) ? strstr(text, "\nbtime ") : NULL;
    return line == NULL ? 0 : strtod(line + strlen("\nbtime "), NULL);
}

/* The number of open descriptors, without the one that this function opens. */
static double count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the folder itself */
    if (folder == NULL) {
        return 0;
    }
    while (readdir(folder) != NULL) {
        n++;
    }
    closedir(folder);
    return n;
}

static void add_stat(struct str *page)
{
    enum { UTIME = 14, STIME = 15, THREADS = 20, START = 22, VSIZE = 23, RSS = 24 };
    uint64_t fields[RSS];
    double ticks = (double)sysconf(_SC_CLK_TCK);
    if (!read_stat(fields, RSS)) {
        return;
    }
    metrics_one(page, "process_cpu_seconds_total", METRIC_COUNTER,
                "Total user and system CPU time spent in seconds.",
                (double)(fields[UTIME - 1] + fields[STIME - 1]) / ticks);
    metrics_one(page, "process_start_time_seconds", METRIC_GAUGE,
                "Start time of the process since unix epoch in seconds.",
                boot_time() + (double)fields[START - 1] / ticks);
    metrics_one(page, "process_threads", METRIC_GAUGE, "Number of OS threads in the process.",
                (double)fields[THREADS - 1]);
    metrics_one(page, "process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory size in bytes.",
                (double)fields[VSIZE - 1]);
    metrics_one(page, "process_resident_memory_bytes", METRIC_GAUGE,
                "Resident memory size in bytes.",
                (double)fields[RSS - 1] * (double)sysconf(_SC_PAGESIZE));
}

void process_metrics(struct str *page)
{
    struct rlimit files;
    add_stat(page);
    metrics_one(page, "process_open_fds", METRIC_GAUGE, "Number of open file descriptors.",
                count_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        metrics_one(page, "process_max_fds", METRIC_GAUGE,
                    "Maximum number of open file descriptors.", (double)files.rlim_cur);
    }
}
