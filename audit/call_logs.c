#include "call_logs.h"

#include <stdio.h>

#include "clock.h"
#include "line_log.h"
#include "mem.h"
#include "metrics.h"

struct call_logs {
    struct line_log *audit, *access; /* NULL: not kept */
    bool audit_reads, audit_required;
};

static bool open_one(const char *name, const char *path, bool chained, bool required,
                     struct line_log **ret_log, struct status *st)
{
    const struct line_log_options options = {
        .name = name, .path = path, .chained = chained, .required = required};
    return path == NULL || line_log_open(&options, ret_log, st);
}

static bool check(const struct call_logs_options *options, struct status *st)
{
    return options->audit != NULL || !(options->audit_reads || options->audit_required) ||
           status_set(st, STATUS_INVALID_ARGUMENT, "AUDIT_LOG_MISSING",
                      "--audit-reads and --audit-required need --audit-log");
}

bool call_logs_open(const struct call_logs_options *options, struct call_logs **ret_logs,
                    struct status *st)
{
    if (!check(options, st)) {
        return false;
    }
    struct call_logs *logs = mem_zalloc(sizeof *logs);
    logs->audit_reads = options->audit_reads;
    logs->audit_required = options->audit_required;
    if (!open_one("audit", options->audit, true, options->audit_required, &logs->audit, st) ||
        !open_one("access", options->access, false, false, &logs->access, st)) {
        call_logs_close(logs);
        return false;
    }
    if (logs->audit == NULL && logs->access == NULL) {
        call_logs_close(MOVE(logs));
    }
    *ret_logs = logs;
    return true;
}

void call_logs_close(struct call_logs *logs)
{
    if (logs != NULL) {
        line_log_close(logs->audit);
        line_log_close(logs->access);
        free(logs);
    }
}

static void reopen(struct line_log *log)
{
    if (log != NULL) {
        line_log_reopen(log);
    }
}

void call_logs_reopen(struct call_logs *logs)
{
    if (logs != NULL) {
        reopen(logs->audit);
        reopen(logs->access);
    }
}

bool call_logs_admit(const struct call_logs *logs, struct status *st)
{
    return logs == NULL || !logs->audit_required || line_log_is_ready(logs->audit) ||
           status_set(st, STATUS_UNAVAILABLE, "AUDIT_UNAVAILABLE",
                      "the audit log cannot be written, and calls without it are not allowed");
}

enum call_outcome call_outcome_of_code(enum status_code code)
{
    switch (code) {
    case STATUS_OK:
        return CALL_SUCCEEDED;
    case STATUS_INVALID_ARGUMENT:
    case STATUS_ALREADY_EXISTS:
    case STATUS_PERMISSION_DENIED:
    case STATUS_FAILED_PRECONDITION:
    case STATUS_ABORTED:
    case STATUS_OUT_OF_RANGE:
    case STATUS_RESOURCE_EXHAUSTED:
    case STATUS_UNAUTHENTICATED:
        return CALL_REFUSED;
    default:
        return CALL_FAILED;
    }
}

enum call_outcome call_outcome_of_status(unsigned http_status)
{
    switch (http_status) {
    case 400:
    case 401:
    case 403:
    case 409:
    case 410:
    case 412:
    case 413:
    case 422:
    case 428:
    case 429:
        return CALL_REFUSED;
    default:
        return http_status >= 200 && http_status < 400 ? CALL_SUCCEEDED : CALL_FAILED;
    }
}

static void add_audit(struct call_logs *logs, const char *what, const struct call_line *line)
{
    AUTO_STR members = {0};
    call_line_add(&members, what, line);
    line_log_add(logs->audit, members.data, members.len);
}

static void add_access(struct call_logs *logs, const struct call_line *line)
{
    AUTO_STR members = {0};
    call_line_add_access(&members, line);
    line_log_add(logs->access, members.data, members.len);
}

void call_logs_add(struct call_logs *logs, const struct call_line *line, enum call_effect effect,
                   enum call_outcome outcome)
{
    if (logs == NULL) {
        return;
    }
    if (logs->audit != NULL && outcome == CALL_REFUSED) {
        add_audit(logs, "refused", line);
    } else if (logs->audit_reads && effect == CALL_READS && outcome == CALL_SUCCEEDED) {
        add_audit(logs, "read", line);
    }
    if (logs->access != NULL) {
        add_access(logs, line);
    }
}

void call_logs_add_opened(struct call_logs *logs, const struct call_line *line)
{
    if (logs != NULL && logs->audit_reads) {
        add_audit(logs, "opened", line);
    }
}

void call_logs_add_part(struct call_logs *logs, const struct call_line *line)
{
    if (logs != NULL && logs->audit != NULL) {
        add_audit(logs, "refused", line);
    }
}

void call_logs_add_event(struct call_logs *logs, const char *what, const char *members)
{
    if (logs != NULL && logs->audit != NULL) {
        char time[CLOCK_TEXT_SIZE];
        AUTO_STR line = {0};
        clock_format(clock_wall_us(), time);
        str_addf(&line, "\"time\":\"%s\",\"what\":\"%s\"%s", time, what, members);
        line_log_add(logs->audit, line.data, line.len);
    }
}

static void add_metrics(const struct line_log *log, const char *prefix, const char *name,
                        struct str *page)
{
    static const struct {
        const char *suffix, *help;
        enum metric_kind kind;
    } families[] = {
        {"lines_total", "Lines written to the log.", METRIC_COUNTER},
        {"lost_lines_total", "Lines that were lost: the log could not be written.", METRIC_COUNTER},
        {"failing", "1 while the log cannot be written.", METRIC_GAUGE},
    };
    struct line_log_stats stats;
    line_log_measure(log, &stats);
    const double values[] = {(double)stats.written, (double)stats.lost, stats.failing};
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        char family[64];
        snprintf(family, sizeof family, "%s_%s_log_%s", prefix, name, families[i].suffix);
        metrics_one(page, family, families[i].kind, families[i].help, values[i]);
    }
}

void call_logs_metrics(const struct call_logs *logs, const char *prefix, struct str *page)
{
    if (logs == NULL) {
        return;
    }
    if (logs->audit != NULL) {
        add_metrics(logs->audit, prefix, "audit", page);
    }
    if (logs->access != NULL) {
        add_metrics(logs->access, prefix, "access", page);
    }
}
