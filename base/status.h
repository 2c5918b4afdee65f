/* The result of a call that can fail, in the vocabulary of gRPC.
 *
 * A function that can fail returns bool and takes a `struct status *st` last; it fills
 * it only when it returns false. The codes are those of gRPC
 * (https://grpc.io/docs/guides/status-codes/), so a status travels to a client as it is.
 *
 * `reason` is a stable UPPER_SNAKE_CASE word for programs (google.rpc.ErrorInfo.reason),
 * `field` the path of the offending request field (google.rpc.BadRequest), `message` is
 * for people. A message never holds a payload or a credential.
 *
 * Plain data: no ownership, may be copied, belongs to whoever declared it. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status_code {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
};
#define STATUS_CODES (STATUS_UNAUTHENTICATED + 1)

#define STATUS_INFO_MAX 4

struct status_info {
    const char *key; /* a string literal */
    char value[48];
};

struct status {
    enum status_code code;
    char reason[40];
    char field[160];
    char message[512];
    struct status_info info[STATUS_INFO_MAX]; /* google.rpc.ErrorInfo.metadata */
    size_t n_info;
};

/* Fills st and returns false, so that a caller can `return status_set(…)`. A message longer
 * than its room is cut at a character's boundary. */
bool status_set(struct status *st, enum status_code code, const char *reason, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* The same for a bad field of a request: INVALID_ARGUMENT with the field's path. */
bool status_bad_field(struct status *st, const char *field, const char *reason, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Adds a machine-readable detail; one beyond STATUS_INFO_MAX is dropped. key is a literal. */
void status_add_info(struct status *st, const char *key, const char *value);
void status_add_number(struct status *st, const char *key, uint64_t value);

/* Puts "context: " before the message of a fault that is passed up. Returns false. */
bool status_context(struct status *st, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of a code as gRPC writes it, "NOT_FOUND". Never NULL. */
const char *status_code_name(enum status_code code);

#endif
