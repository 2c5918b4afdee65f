/* A file of lines, each a JSON object, that any thread adds to and a thread of its own writes.
 *
 * - Adding never waits for the file: a line goes into a buffer of LINE_LOG_BYTES, of a log that is
 *   `required` of LINE_LOG_REQUIRED_BYTES. Where it is full, the line is lost. Lost lines are
 *   counted, and a line with their number follows once there is room:
 *   {"time":…,"what":"lost","lines":N}.
 * - A chained log (chain.h) goes on where its file ends. What stands behind the last newline was
 *   cut off by a crash or a full disk; it is no part of the chain, and the next line begins after
 *   it, even if no line is before it. The file is locked, so that only one process writes it.
 * - The file is opened again on line_log_reopen: a file that was renamed stays complete, and the
 *   new one continues its chain.
 * - While the file cannot be written (full disk), the thread tries again; no line that is in the
 *   buffer is lost.
 * - A chained log is made durable (fdatasync) at most LINE_LOG_SYNC_MS after a line was written,
 *   and at the end. A crash of the process loses what was still in the buffer: the lines of the
 *   last milliseconds. */
#ifndef AUDIT_LINE_LOG_H
#define AUDIT_LINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define LINE_LOG_BYTES ((size_t)8 << 20)
/* Callers ask line_log_is_ready, so that only what nobody can refuse, such as bytes that are no
 * request, can use up so much. */
#define LINE_LOG_REQUIRED_BYTES ((size_t)64 << 20)
#define LINE_LOG_SYNC_MS 1000
#define LINE_LOG_END_MS 2000 /* how long the end waits for a file that cannot be written */

struct line_log;

struct line_log_options {
    const char *name; /* "audit": in log lines and errors; a literal */
    const char *path; /* "-": standard output; borrowed */
    bool chained;
    bool required; /* callers ask line_log_is_ready before they cause a line */
};

/* INVALID_ARGUMENT LOG_UNUSABLE: the file cannot be opened. FAILED_PRECONDITION LOG_IN_USE: another
 * process writes it; LOG_DAMAGED: it ends with no line of a chain. */
bool line_log_open(const struct line_log_options *options, struct line_log **ret_log,
                   struct status *st);
/* Writes what was added, for up to LINE_LOG_END_MS. NULL is ignored. */
void line_log_close(struct line_log *log);

/* Adds a line. members: those of a JSON object, without braces and newlines. Any thread. */
void line_log_add(struct line_log *log, const char *members, size_t n);
/* Whether lines can be written, and at most half of the buffer is used. Any thread. */
bool line_log_is_ready(const struct line_log *log);
/* Opens the path again, soon. Any thread. */
void line_log_reopen(struct line_log *log);

struct line_log_stats {
    uint64_t written, lost; /* lines */
    bool failing;           /* the file cannot be written */
};
/* Any thread. */
void line_log_measure(const struct line_log *log, struct line_log_stats *ret_stats);

#endif
