#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "str.h"

static atomic_int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_parse_level(const char *text, enum log_level *ret_level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {
        {"DEBUG", LOG_DEBUG},  {"INFO", LOG_INFO},   {"WARNING", LOG_WARNING},
        {"WARN", LOG_WARNING}, {"ERROR", LOG_ERROR}, {"CRITICAL", LOG_ERROR},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(text, names[i].name) == 0) {
            *ret_level = names[i].level;
            return true;
        }
    }
    return false;
}

static bool needs_quotes(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || *p == 0x7F) {
            return true;
        }
    }
    return value[0] == '\0';
}

static void add_value(struct str *line, const char *value)
{
    if (!needs_quotes(value)) {
        str_add_text(line, value);
        return;
    }
    str_add_char(line, '"');
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            str_addf(line, "\\%c", *p);
        } else if (*p < ' ' || *p == 0x7F) {
            str_addf(line, "\\x%02x", *p);
        } else {
            str_add_char(line, (char)*p);
        }
    }
    str_add_char(line, '"');
}

static void add_event(struct str *line, const char *event, va_list arguments)
{
    str_addf(line, "event=%s", event);
    for (const char *key; (key = va_arg(arguments, const char *)) != NULL;) {
        const char *value = va_arg(arguments, const char *);
        str_addf(line, " %s=", key);
        add_value(line, value == NULL ? "" : value);
    }
}

static void write_line(enum log_level level, const char *event, va_list arguments)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if ((int)level < atomic_load(&threshold)) {
        return;
    }
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_us(), now);
    AUTO_STR line = {0};
    str_addf(&line, "time=%s level=%s ", now, names[level]);
    add_event(&line, event, arguments);
    str_add_char(&line, '\n');
    /* One write per line, so that lines of several threads do not mix. Errors are ignored: the
     * service must go on without its log. */
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written;
}

void log_event(enum log_level level, const char *event, ...)
{
    va_list arguments;
    va_start(arguments, event);
    write_line(level, event, arguments);
    va_end(arguments);
}

void log_event_to(const struct log_sink *sink, enum log_level level, const char *event, ...)
{
    va_list arguments;
    va_start(arguments, event);
    if (sink == NULL) {
        write_line(level, event, arguments);
    } else {
        AUTO_STR line = {0};
        add_event(&line, event, arguments);
        sink->line(sink->user, level, str_text(&line));
    }
    va_end(arguments);
}

bool log_limit_take(struct log_limit *limit, int64_t now_ns, uint64_t *ret_left_out)
{
    int64_t second = now_ns / INT64_C(1000000000);
    if (second != limit->second) {
        limit->second = second;
        limit->lines = 0;
    }
    if (limit->lines == LOG_LINES_A_SECOND) {
        limit->left_out++;
        return false;
    }
    limit->lines++;
    *ret_left_out = limit->left_out;
    limit->left_out = 0;
    return true;
}
