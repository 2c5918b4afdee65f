#include "line_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain.h"
#include "clock.h"
#include "condition.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

#define RETRY_MS 100
#define TAIL_BYTES ((size_t)64 << 10) /* in which the last line of a file is looked for */
#define MODE 0640

struct line_log {
    struct line_log_options options;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct str added; /* members of lines, each with a newline */
    uint64_t n_lost;  /* lines since the last one in `added` */
    bool reopen, ending;

    atomic_size_t used; /* bytes of `added` */
    atomic_bool failing;
    struct metric written, lost;

    /* Only the thread, once it runs. */
    int fd;
    bool is_file; /* not a pipe or a terminal */
    struct chain chain;
    struct str out;  /* lines with their newlines */
    size_t n_out;    /* bytes of `out` that were written */
    int64_t sync_ns; /* when what was written is to be durable; INT64_MAX: it is */
    int64_t give_up_ns;
};

/* ---- The file ---- */

static bool refuse(const struct line_log *log, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "LOG_UNUSABLE", "--%s-log %s: %s",
                      log->options.name, log->options.path, strerror(errno));
}

static bool is_standard_output(const struct line_log *log)
{
    return strcmp(log->options.path, "-") == 0;
}

/* Returns a descriptor that the log owns, or -1. */
static int open_path(const struct line_log *log)
{
    return is_standard_output(log)
               ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
               : open(log->options.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, MODE);
}

static bool is_regular(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

static void set_file(struct line_log *log, int fd)
{
    log->fd = fd;
    log->is_file = is_regular(fd);
}

static bool lock_file(const struct line_log *log, struct status *st)
{
    return !log->options.chained || !log->is_file || flock(log->fd, LOCK_EX | LOCK_NB) == 0 ||
           status_set(st, STATUS_FAILED_PRECONDITION, "LOG_IN_USE",
                      "--%s-log %s: another process writes it", log->options.name,
                      log->options.path);
}

/* Moves the chain to the last line in the text that is one. The text may begin within a line. */
static bool find_last(struct chain *chain, const char *text, size_t n)
{
    while (n > 0) {
        const char *newline = memrchr(text, '\n', n);
        if (newline == NULL) {
            return false;
        }
        n = (size_t)(newline - text);
        const char *before = memrchr(text, '\n', n);
        const char *line = before == NULL ? text : before + 1;
        if (chain_move(chain, line, n - (size_t)(line - text))) {
            return true;
        }
    }
    return false;
}

/* Whether a whole file has nothing but lines that were begun: its first one was cut off, perhaps
 * again and again. Moves the chain to before the last of them. */
static bool find_begun(struct chain *chain, const char *text, size_t n)
{
    bool ok = true;
    for (size_t at = 0; ok && at < n;) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t n_line = newline == NULL ? n - at : (size_t)(newline - text) - at;
        ok = chain_move_before(chain, text + at, n_line);
        at += n_line + 1;
    }
    return ok;
}

/* Goes on where the file ends. */
static bool continue_chain(struct line_log *log, struct status *st)
{
    off_t size = lseek(log->fd, 0, SEEK_END);
    if (size <= 0) {
        return true;
    }
    size_t n = (size_t)size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
    AUTO(free) char *tail = mem_alloc(n);
    ssize_t n_read = pread(log->fd, tail, n, size - (off_t)n);
    if (n_read != (ssize_t)n) {
        return refuse(log, st);
    }
    if (!find_last(&log->chain, tail, n) &&
        ((off_t)n < size || !find_begun(&log->chain, tail, n))) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "LOG_DAMAGED",
                          "--%s-log %s: its end is none of such a log: name another file",
                          log->options.name, log->options.path);
    }
    if (tail[n - 1] != '\n') {
        str_add_char(&log->out, '\n');
    }
    return true;
}

static bool open_file(struct line_log *log, struct status *st)
{
    int fd = open_path(log);
    if (fd < 0) {
        return refuse(log, st);
    }
    set_file(log, fd);
    bool continues = log->options.chained && log->is_file && !is_standard_output(log);
    return lock_file(log, st) && (!continues || continue_chain(log, st));
}

static void say_head(const struct line_log *log)
{
    char head[CHAIN_TEXT_SIZE];
    if (log->options.chained) {
        chain_format(&log->chain, head);
        log_event(LOG_INFO, "audit_head", "file", log->options.path, "head", head, NULL);
    }
}

static void make_durable(struct line_log *log)
{
    if (log->sync_ns != INT64_MAX) {
        fdatasync(log->fd); /* what fails here is noticed by the next write */
        log->sync_ns = INT64_MAX;
    }
}

/* A line of which the old file has only a part is written again. */
static void take_line_back(struct line_log *log)
{
    while (log->n_out > 0 && log->out.data[log->n_out - 1] != '\n') {
        log->n_out--;
    }
}

/* The file before stays in use if the path cannot be opened. */
static void reopen(struct line_log *log)
{
    int fd = open_path(log);
    if (fd < 0) {
        log_event(LOG_ERROR, "log_not_reopened", "file", log->options.path, "message",
                  strerror(errno), NULL);
        return;
    }
    make_durable(log);
    close(log->fd);
    set_file(log, fd);
    take_line_back(log);
    struct status st;
    if (!lock_file(log, &st)) {
        log_event(LOG_ERROR, "log_shared", "file", log->options.path, "message", st.message, NULL);
    }
    say_head(log);
}

/* ---- The thread ---- */

static void set_failing(struct line_log *log, int error)
{
    if (error != 0 && !atomic_exchange(&log->failing, true)) {
        log_event(LOG_ERROR, "log_not_written", "file", log->options.path, "message",
                  strerror(error), NULL);
    } else if (error == 0 && atomic_exchange(&log->failing, false)) {
        log_event(LOG_INFO, "log_written_again", "file", log->options.path, NULL);
    }
}

/* A pipe that nobody reads must not hold the thread up: it would not see the end. */
static ssize_t write_some(const struct line_log *log)
{
    const char *at = log->out.data + log->n_out;
    size_t n = log->out.len - log->n_out;
    struct pollfd pipe = {.fd = log->fd, .events = POLLOUT};
    if (log->is_file) {
        return write(log->fd, at, n);
    }
    if (poll(&pipe, 1, RETRY_MS) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(log->fd, at, n < PIPE_BUF ? n : PIPE_BUF);
}

/* Writes `out`; false: the rest is to be tried again. */
static bool write_out(struct line_log *log)
{
    while (log->n_out < log->out.len) {
        ssize_t n = write_some(log);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            set_failing(log, n == 0 ? ENOSPC : errno);
            return false;
        }
        log->n_out += (size_t)n;
        if (log->sync_ns == INT64_MAX && log->options.chained && log->is_file) {
            log->sync_ns = clock_monotonic_ns() + LINE_LOG_SYNC_MS * INT64_C(1000000);
        }
    }
    set_failing(log, 0);
    str_clear(&log->out);
    log->n_out = 0;
    return true;
}

static void compose(struct line_log *log, const char *members, size_t n)
{
    if (log->options.chained) {
        chain_add(&log->chain, members, n, &log->out);
    } else {
        str_add_char(&log->out, '{');
        str_add(&log->out, members, n);
        str_add_text(&log->out, "}\n");
    }
    metric_add(&log->written, 1);
}

static void say_lost(const struct line_log *log, const char *lines)
{
    log_event(LOG_ERROR, "log_lines_lost", "file", log->options.path, "lines", lines, NULL);
}

static void compose_lost(struct line_log *log, uint64_t n_lost)
{
    char lines[24];
    char time[CLOCK_TEXT_SIZE];
    AUTO_STR members = {0};
    clock_format(clock_wall_us(), time);
    str_addf(&members, "\"time\":\"%s\",\"what\":\"lost\",\"lines\":%" PRIu64, time, n_lost);
    compose(log, members.data, members.len);
    snprintf(lines, sizeof lines, "%" PRIu64, n_lost);
    say_lost(log, lines);
}

static void compose_all(struct line_log *log, const struct str *added, uint64_t n_lost)
{
    const char *at = added->data;
    for (size_t left = added->len; left > 0;) {
        const char *newline = memchr(at, '\n', left);
        size_t n = (size_t)(newline - at);
        compose(log, at, n);
        at += n + 1;
        left -= n + 1;
    }
    if (n_lost > 0) {
        compose_lost(log, n_lost);
    }
}

/* The time until which the thread may sleep when there is nothing to write. */
static int64_t next_ns(const struct line_log *log)
{
    return log->n_out < log->out.len ? clock_monotonic_ns() + RETRY_MS * INT64_C(1000000)
                                     : log->sync_ns;
}

/* Waits for something to do. Takes what was added, unless earlier lines are still to be written. */
static void wait_for_work(struct line_log *log, struct str *added, uint64_t *ret_n_lost,
                          bool *ret_reopen, bool *ret_ending)
{
    bool behind = log->n_out < log->out.len;
    int64_t until_ns = next_ns(log);
    pthread_mutex_lock(&log->lock);
    while (!log->reopen && !log->ending && (behind || (log->added.len == 0 && log->n_lost == 0)) &&
           condition_wait_until(&log->changed, &log->lock, until_ns)) {
    }
    if (!behind) {
        struct str taken = log->added;
        log->added = *added;
        *added = taken;
        *ret_n_lost = log->n_lost;
        log->n_lost = 0;
        atomic_store(&log->used, 0);
    }
    *ret_reopen = log->reopen;
    *ret_ending = log->ending;
    log->reopen = false;
    pthread_mutex_unlock(&log->lock);
}

/* Whether the thread may end: all is written, or it has tried for long enough. */
static bool has_finished(struct line_log *log, bool written)
{
    int64_t now_ns = clock_monotonic_ns();
    if (log->give_up_ns == 0) {
        log->give_up_ns = now_ns + LINE_LOG_END_MS * INT64_C(1000000);
        return false; /* once more: lines may have been added meanwhile */
    }
    return written || now_ns >= log->give_up_ns;
}

static void pause_before_retry(bool written)
{
    if (!written) {
        poll(NULL, 0, RETRY_MS);
    }
}

static void *run(void *argument)
{
    struct line_log *log = argument;
    AUTO_STR added = {0};
    for (bool over = false; !over;) {
        uint64_t n_lost = 0;
        bool wants_reopen;
        bool ending;
        wait_for_work(log, &added, &n_lost, &wants_reopen, &ending);
        compose_all(log, &added, n_lost);
        str_clear(&added);
        if (wants_reopen) {
            reopen(log);
        }
        bool written = write_out(log);
        if (ending) {
            over = has_finished(log, written);
            pause_before_retry(written);
        }
        if (over || clock_monotonic_ns() >= log->sync_ns) {
            make_durable(log);
        }
    }
    if (log->n_out < log->out.len) {
        say_lost(log, "those that could not be written until the end");
    }
    say_head(log);
    return NULL;
}

/* ---- For other threads ---- */

static void log_free(struct line_log *log)
{
    if (log->fd >= 0) {
        close(log->fd);
    }
    str_fini(&log->added);
    str_fini(&log->out);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->changed);
    free(log);
}

bool line_log_open(const struct line_log_options *options, struct line_log **ret_log,
                   struct status *st)
{
    struct line_log *log = mem_zalloc(sizeof *log);
    log->options = *options;
    log->fd = -1;
    log->sync_ns = INT64_MAX;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    if (!open_file(log, st)) {
        log_free(log);
        return false;
    }
    say_head(log);
    int failed = pthread_create(&log->thread, NULL, run, log);
    assert(failed == 0 && "a thread can be had at start");
    *ret_log = log;
    return true;
}

static void tell(struct line_log *log, bool *flag)
{
    pthread_mutex_lock(&log->lock);
    *flag = true;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

void line_log_close(struct line_log *log)
{
    if (log == NULL) {
        return;
    }
    tell(log, &log->ending);
    pthread_join(log->thread, NULL);
    log_free(log);
}

void line_log_reopen(struct line_log *log)
{
    tell(log, &log->reopen);
}

void line_log_add(struct line_log *log, const char *members, size_t n)
{
    pthread_mutex_lock(&log->lock);
    size_t room = log->options.required ? LINE_LOG_REQUIRED_BYTES : LINE_LOG_BYTES;
    bool fits = log->added.len + n < room;
    /* Once a line is lost, so are those behind it, until their number can be told. */
    if (fits && log->n_lost == 0) {
        bool first = log->added.len == 0;
        str_add(&log->added, members, n);
        str_add_char(&log->added, '\n');
        atomic_store(&log->used, log->added.len);
        if (first) {
            pthread_cond_signal(&log->changed);
        }
    } else {
        log->n_lost++;
        metric_add(&log->lost, 1);
    }
    pthread_mutex_unlock(&log->lock);
}

bool line_log_is_ready(const struct line_log *log)
{
    return !atomic_load(&log->failing) && atomic_load(&log->used) <= LINE_LOG_BYTES / 2;
}

void line_log_measure(const struct line_log *log, struct line_log_stats *ret_stats)
{
    *ret_stats = (struct line_log_stats){
        .written = metric_value(&log->written),
        .lost = metric_value(&log->lost),
        .failing = atomic_load(&log->failing),
    };
}
