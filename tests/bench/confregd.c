#include "confregd.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "h2.h"

#define HOST "127.0.0.1"

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

/* -1: nobody listens. */
static int connect_to(int port)
{
    struct sockaddr_in name = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool listens(int port)
{
    int fd = connect_to(port);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void run_program(const struct confregd *confregd)
{
    char listen[64];
    char metrics[64];
    char store[512];
    snprintf(listen, sizeof listen, "%s:%d", HOST, confregd->port);
    snprintf(metrics, sizeof metrics, "%s:%d", HOST, confregd->metrics_port);
    snprintf(store, sizeof store, "sqlite:%s/watch.db", confregd->folder);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends with this program, however that ends */
    /* Without an access file the list of arguments ends before it. */
    execl(confregd->program, confregd->program, "--listen", listen, "--metrics", metrics, "--store",
          store, "--log-level", "ERROR", "--anonymous-role", "super-admin",
          confregd->access == NULL ? (char *)NULL : "--access", confregd->access, (char *)NULL);
    _exit(127);
}

void confregd_start(struct confregd *confregd)
{
    confregd->port = confregd->port != 0 ? confregd->port : free_port();
    confregd->metrics_port = confregd->metrics_port != 0 ? confregd->metrics_port : free_port();
    confregd->pid = fork();
    if (confregd->pid == 0) {
        run_program(confregd);
    }
    while (!listens(confregd->port) || !listens(confregd->metrics_port)) {
        const struct timespec pause = {.tv_nsec = 5000000};
        if (waitpid(confregd->pid, NULL, WNOHANG) != 0) {
            h2_die(confregd->program);
        }
        nanosleep(&pause, NULL);
    }
}

void confregd_stop(struct confregd *confregd)
{
    int status;
    kill(confregd->pid, SIGTERM);
    if (waitpid(confregd->pid, &status, 0) < 0 || status != 0) {
        h2_die("the server's end");
    }
}

/* ---- What it tells ---- */

static void read_metrics(const struct confregd *confregd, struct str *page)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    char bytes[4096];
    ssize_t n = 0;
    int fd = connect_to(confregd->metrics_port);
    if (fd < 0 || write(fd, request, sizeof request - 1) != sizeof request - 1) {
        h2_die("the metrics");
    }
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        str_add(page, bytes, (size_t)n);
    }
    close(fd);
}

double confregd_metric(const struct confregd *confregd, const char *name)
{
    AUTO_STR page = {0};
    AUTO_STR start = {0};
    read_metrics(confregd, &page);
    str_addf(&start, "\n%s ", name);
    const char *line = strstr(str_text(&page), str_text(&start));
    if (line == NULL) {
        h2_die(name);
    }
    return strtod(line + start.len, NULL);
}

/* ---- What a process takes ---- */

double resident_bytes(pid_t pid)
{
    char path[64];
    unsigned long size = 0;
    unsigned long resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2) {
        h2_die(path);
    }
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

double cpu_seconds(pid_t pid)
{
    char path[64];
    char text[1024] = "";
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
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
