#include "error.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct confreg_error) == 512, "its size is part of the ABI");
static_assert((int)CONFREG_UNAUTHENTICATED == (int)STATUS_UNAUTHENTICATED, "codes are gRPC's");

/* Copies a text, cut between two characters. */
static void put(char *to, size_t size, const char *text)
{
    size_t n = strlen(text);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    memcpy(to, text, n);
    memset(to + n, 0, size - n);
}

bool error_of(struct confreg_error *error, const struct status *st)
{
    if (error == NULL) {
        return false;
    }
    const struct status_violation *first = st->n_violations > 0 ? &st->violations[0] : NULL;
    bool has_field = st->field[0] != '\0' || first == NULL;
    error->code = (int32_t)st->code;
    error->reserved = 0;
    error->retry_ms = st->retry_ms;
    put(error->reason, sizeof error->reason, st->reason);
    put(error->field, sizeof error->field, has_field ? st->field : first->field);
    put(error->message, sizeof error->message, st->message);
    return false;
}

bool error_set(struct confreg_error *error, enum status_code code, const char *reason,
               const char *message)
{
    struct status st;
    status_set(&st, code, reason, "%s", message);
    return error_of(error, &st);
}

const char *confreg_code_name(int code)
{
    bool is_one = code >= 0 && code < STATUS_CODES;
    return status_code_name(is_one ? (enum status_code)code : STATUS_UNKNOWN);
}
