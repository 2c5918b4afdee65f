/* The two logs of calls that both programs can keep: the audit log, of what was refused and, where
 * asked for, of what was read; and the access log, of all calls. What was changed stands in the log
 * of the registry itself.
 *
 * Any thread, but for open and close. */
#ifndef AUDIT_CALL_LOGS_H
#define AUDIT_CALL_LOGS_H

#include <stdbool.h>

#include "call_line.h"
#include "options.h"

struct call_logs;

struct call_logs_options {
    const char *audit, *access; /* paths, "-": standard output, NULL: there is none; borrowed */
    bool audit_reads, audit_required;
};

/* The rows of both programs' tables of options. o: struct call_logs_options. */
/* clang-format off */
#define CALL_LOGS_ROWS(o)                                                                          \
    {"audit-log", OPTION_TEXT, &(o)->audit, NULL, "FILE",                                          \
     "Where to log calls that were refused, as JSON, a line each: who, what, which configs, why. " \
     "Each line has the hash of the line before. -: standard output. On SIGHUP the file is "       \
     "opened again, for rotation. Not kept by default.",                                           \
     0, 0, NULL},                                                                                  \
    {"audit-reads", OPTION_SWITCH, &(o)->audit_reads, "no", NULL,                                  \
     "Log calls that read, too.", 0, 0, NULL},                                                     \
    {"audit-required", OPTION_SWITCH, &(o)->audit_required, "no", NULL,                            \
     "Refuse calls (UNAVAILABLE, 503) while the audit log cannot be written. Without this, lines " \
     "are lost then, and their number is logged.",                                                 \
     0, 0, NULL},                                                                                  \
    {"access-log", OPTION_TEXT, &(o)->access, NULL, "FILE",                                        \
     "Where to log each call, as JSON, a line each. -: standard output. Not kept by default.",     \
     0, 0, NULL}
/* clang-format on */

/* *ret_logs is NULL if the options name no file. INVALID_ARGUMENT AUDIT_LOG_MISSING: options of an
 * audit log without its file. Failures of line_log_open are passed on. */
bool call_logs_open(const struct call_logs_options *options, struct call_logs **ret_logs,
                    struct status *st);
/* NULL is ignored, by all of these. */
void call_logs_close(struct call_logs *logs);
/* Opens the files again, soon. */
void call_logs_reopen(struct call_logs *logs);

/* Whether a call may begin. UNAVAILABLE AUDIT_UNAVAILABLE: the audit log is required and cannot be
 * written. */
bool call_logs_admit(const struct call_logs *logs, struct status *st);

enum call_effect { CALL_READS, CALL_DOES_OTHER };
enum call_outcome { CALL_SUCCEEDED, CALL_REFUSED, CALL_FAILED };

/* Whether a call with this status was refused, for something that its caller lacked or asked for.
 */
enum call_outcome call_outcome_of_code(enum status_code code);
enum call_outcome call_outcome_of_status(unsigned http_status);

/* Logs a call that has ended. */
void call_logs_add(struct call_logs *logs, const struct call_line *line, enum call_effect effect,
                   enum call_outcome outcome);
/* Logs that a call began that lasts, such as a watch; the audit log only, with audit_reads. */
void call_logs_add_opened(struct call_logs *logs, const struct call_line *line);
/* Logs a part of a call, such as one write of several, that was refused; the audit log only. */
void call_logs_add_part(struct call_logs *logs, const struct call_line *line);
/* Logs an event that is no call; the audit log only. members: of a JSON object, each with a comma
 * before it: `,"file":"…"`. what: a literal. */
void call_logs_add_event(struct call_logs *logs, const char *what, const char *members);

/* Appends the families PREFIX_audit_log_… and PREFIX_access_log_…. */
void call_logs_metrics(const struct call_logs *logs, const char *prefix, struct str *page);

#endif
