#include "status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OVERLOADED_RETRY_MS 1000

static const struct {
    enum status_code code;
    const char *reason;
} outcomes[] = {
    [OUTCOME_OTHER] = {STATUS_UNKNOWN, ""},
    [OUTCOME_CONFIG_EXISTS] = {STATUS_ALREADY_EXISTS, "CONFIG_EXISTS"},
    [OUTCOME_CONFIG_NOT_FOUND] = {STATUS_NOT_FOUND, "CONFIG_NOT_FOUND"},
    [OUTCOME_EPOCH_MISMATCH] = {STATUS_FAILED_PRECONDITION, "EPOCH_MISMATCH"},
    [OUTCOME_LEASE_HELD] = {STATUS_ABORTED, "LEASE_HELD"},
    [OUTCOME_LIMIT_EXCEEDED] = {STATUS_RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"},
    [OUTCOME_NOT_ENOUGH_VERSIONS] = {STATUS_FAILED_PRECONDITION, "NOT_ENOUGH_VERSIONS"},
    [OUTCOME_OVERLOADED] = {STATUS_RESOURCE_EXHAUSTED, "OVERLOADED"},
    [OUTCOME_PAYLOAD_COMPACTED] = {STATUS_FAILED_PRECONDITION, "PAYLOAD_COMPACTED"},
    [OUTCOME_REQUEST_ID_REUSED] = {STATUS_FAILED_PRECONDITION, "REQUEST_ID_REUSED"},
    [OUTCOME_REVISION_AHEAD] = {STATUS_OUT_OF_RANGE, "REVISION_AHEAD"},
    [OUTCOME_REVISION_MISMATCH] = {STATUS_ABORTED, "REVISION_MISMATCH"},
    [OUTCOME_REVISION_TAKEN] = {STATUS_ABORTED, "REVISION_TAKEN"},
    [OUTCOME_SCHEMA_TRIAL_STALE] = {STATUS_ABORTED, "SCHEMA_TRIAL_STALE"},
    [OUTCOME_UNKNOWN] = {STATUS_UNAVAILABLE, "OUTCOME_UNKNOWN"},
    [OUTCOME_VERSION_EXISTS] = {STATUS_ALREADY_EXISTS, "VERSION_EXISTS"},
    [OUTCOME_VERSION_GAP] = {STATUS_OUT_OF_RANGE, "VERSION_GAP"},
    [OUTCOME_VERSION_NOT_FOUND] = {STATUS_NOT_FOUND, "VERSION_NOT_FOUND"},
    [OUTCOME_WATCHES_COUNT] = {STATUS_RESOURCE_EXHAUSTED, "WATCHES_COUNT"},
};

/* The only place where the text of a reason is compared. */
static enum outcome outcome_of(const char *reason)
{
    size_t i = sizeof outcomes / sizeof outcomes[0] - 1;
    while (i > OUTCOME_OTHER && strcmp(outcomes[i].reason, reason) != 0) {
        i--;
    }
    return (enum outcome)i;
}

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

/* Built aside, because the arguments may come out of st itself. */
__attribute__((format(printf, 5, 0))) static void fill(struct status *st, enum status_code code,
                                                       const char *field, const char *reason,
                                                       const char *format, va_list arguments)
{
    struct status fresh = {.code = code};
    snprintf(fresh.reason, sizeof fresh.reason, "%s", reason);
    snprintf(fresh.field, sizeof fresh.field, "%s", field);
    trim_partial_character(fresh.field);
    vsnprintf(fresh.message, sizeof fresh.message, format, arguments);
    trim_partial_character(fresh.message);
    *st = fresh;
}

bool status_set(struct status *st, enum status_code code, const char *reason, const char *format,
                ...)
{
    assert(outcome_of(reason) == OUTCOME_OTHER && "outcomes are set by status_set_outcome");
    va_list arguments;
    va_start(arguments, format);
    fill(st, code, "", reason, format, arguments);
    va_end(arguments);
    return false;
}

bool status_set_outcome(struct status *st, enum outcome outcome, const char *format, ...)
{
    assert(outcome != OUTCOME_OTHER && "an outcome has a reason");
    va_list arguments;
    va_start(arguments, format);
    fill(st, outcomes[outcome].code, "", outcomes[outcome].reason, format, arguments);
    va_end(arguments);
    st->outcome = outcome;
    st->retry_ms = outcome == OUTCOME_OVERLOADED ? OVERLOADED_RETRY_MS : 0;
    return false;
}

bool status_exceeds(struct status *st, uint64_t limit, uint64_t found)
{
    status_add_number(st, "limit", limit);
    status_add_number(st, "found", found);
    return false;
}

void status_become(struct status *st, enum outcome outcome)
{
    assert(outcome != OUTCOME_OTHER && "an outcome has a reason");
    st->code = outcomes[outcome].code;
    status_set_reason(st, outcomes[outcome].reason);
}

void status_set_reason(struct status *st, const char *reason)
{
    snprintf(st->reason, sizeof st->reason, "%s", reason);
    st->outcome = outcome_of(st->reason);
}

bool status_bad_field(struct status *st, const char *field, const char *reason, const char *format,
                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(st, STATUS_INVALID_ARGUMENT, field, reason, format, arguments);
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
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    size_t index = (size_t)code;
    return index < sizeof names / sizeof names[0] ? names[index] : "UNKNOWN";
}
