/* The program's log: one line an event on standard error, in logfmt
 * (time=… level=… event=… key=value …). Only loops and main log; modules return a status.
 * Neither a payload nor a credential is ever given to it. Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below this level are dropped; LOG_INFO until it is set. */
void log_set_level(enum log_level level);
/* "DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", in either case. */
bool log_parse_level(const char *text, enum log_level *ret_level);

/* event: a literal of words joined by '_'. Then pairs of const char * key and const char *
 * value, ended by NULL; values are quoted where logfmt needs it:
 *     log_event(LOG_INFO, "listening", "address", text, NULL); */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Where lines go instead of standard error: for a library, which has no standard error of its own.
 * line: "event=… key=value …" without time, level and line feed; borrowed until it returns. */
struct log_sink {
    void (*line)(void *user, enum log_level level, const char *line);
    void *user;
};
/* The same to a sink; NULL: the program's log. */
void log_event_to(const struct log_sink *sink, enum log_level level, const char *event, ...)
    __attribute__((sentinel));

/* A rate limit for log lines that clients can cause: LOG_LINES_A_SECOND for each struct. Starts
 * zeroed. One thread at a time. */
#define LOG_LINES_A_SECOND 10
struct log_limit {
    int64_t second; /* the one that `lines` counts */
    unsigned lines;
    uint64_t left_out; /* lines suppressed since the last one that was written */
};
/* Whether a line may be written at now_ns of clock_monotonic_ns(). True: *ret_left_out is how many
 * lines were suppressed before it. */
bool log_limit_take(struct log_limit *limit, int64_t now_ns, uint64_t *ret_left_out);

#endif
