#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops the bytes of a character that vsnprintf cut in the middle. */
static void trim_partial_character(char *text)
{
    size_t n = strlen(text);
    size_t tail = 0;
    while (tail < n && tail < 4 && ((unsigned char)text[n - 1 - tail] & 0xC0) == 0x80) {
        tail++;
    }
    if (tail >= n) {
        return;
    }
    unsigned char lead = (unsigned char)text[n - 1 - tail];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (tail < need) {
        text[n - 1 - tail] = '\0';
    }
}

static void format_message(struct status *st, const char *format, va_list arguments)
{
    vsnprintf(st->message, sizeof st->message, format, arguments);
    trim_partial_character(st->message);
}

static void reset(struct status *st, enum status_code code, const char *field, const char *reason)
{
    st->code = code;
    st->n_info = 0;
    snprintf(st->reason, sizeof st->reason, "%s", reason);
    snprintf(st->field, sizeof st->field, "%s", field);
    trim_partial_character(st->field);
}

bool status_set(struct status *st, enum status_code code, const char *reason, const char *format,
                ...)
{
    reset(st, code, "", reason);
    va_list arguments;
    va_start(arguments, format);
    format_message(st, format, arguments);
    va_end(arguments);
    return false;
}

bool status_bad_field(struct status *st, const char *field, const char *reason,
                      const char *format, ...)
{
    reset(st, STATUS_INVALID_ARGUMENT, field, reason);
    va_list arguments;
    va_start(arguments, format);
    format_message(st, format, arguments);
    va_end(arguments);
    return false;
}

void status_add_info(struct status *st, const char *key, const char *value)
{
    if (st->n_info == STATUS_INFO_MAX) {
        return;
    }
    struct status_info *info = &st->info[st->n_info++];
    info->key = key;
    snprintf(info->value, sizeof info->value, "%s", value);
    trim_partial_character(info->value);
}

void status_add_number(struct status *st, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    status_add_info(st, key, text);
}

bool status_context(struct status *st, const char *format, ...)
{
    char inner[sizeof st->message];
    memcpy(inner, st->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(st->message, sizeof st->message, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof st->message) {
        snprintf(st->message + n, sizeof st->message - (size_t)n, ": %s", inner);
    }
    trim_partial_character(st->message);
    return false;
}

const char *status_code_name(enum status_code code)
{
    static const char *const names[] = {
        "OK",           "CANCELLED",         "UNKNOWN",       "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED", "NOT_FOUND",    "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
        "UNIMPLEMENTED", "INTERNAL",         "UNAVAILABLE",   "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    size_t index = (size_t)code;
    return index < sizeof names / sizeof names[0] ? names[index] : "UNKNOWN";
}
