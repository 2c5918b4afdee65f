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
 * Plain data: no ownership, may be copied, belongs to whoever declared it. Only its violations,
 * which few statuses have, are borrowed (violations.h). */
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

/* The outcomes that some caller treats differently from others of the same code. Each has a code
 * and a reason of its own (the table in status.c). Callers compare the outcome, never the text of
 * the reason, which is for clients, logs and people. */
enum outcome {
    OUTCOME_OTHER, /* any other reason: only the code matters */
    OUTCOME_CONFIG_EXISTS,
    OUTCOME_CONFIG_NOT_FOUND,
    OUTCOME_EPOCH_MISMATCH,
    OUTCOME_LEASE_HELD,
    OUTCOME_LIMIT_EXCEEDED,
    OUTCOME_NOT_ENOUGH_VERSIONS,
    OUTCOME_OVERLOADED,
    OUTCOME_PAYLOAD_COMPACTED,
    OUTCOME_REQUEST_ID_REUSED,
    OUTCOME_REVISION_AHEAD,
    OUTCOME_REVISION_MISMATCH,
    OUTCOME_REVISION_TAKEN,
    OUTCOME_SCHEMA_TRIAL_STALE,
    OUTCOME_UNKNOWN, /* the request may have taken effect or may take effect later */
    OUTCOME_VERSION_EXISTS,
    OUTCOME_VERSION_GAP,
    OUTCOME_VERSION_NOT_FOUND,
    OUTCOME_WATCHES_COUNT,
};

/* One of several faults of a request. */
struct status_violation {
    const char *field; /* the path of the field and, within a JSON value, a JSON Pointer:
                          "changes[2].update.config_data/servers/0/port" */
    const char *reason;
    const char *message; /* a sentence without subject */
};

#define STATUS_INFO_MAX 4

struct status_info {
    const char *key; /* a string literal */
    char value[48];
};

struct status {
    enum status_code code;
    enum outcome outcome; /* decoded from reason */
    char reason[40];
    char field[160];
    char message[512];
    struct status_info info[STATUS_INFO_MAX]; /* google.rpc.ErrorInfo.metadata */
    size_t n_info;
    const struct status_violation *violations; /* borrowed; they stand for `field` */
    size_t n_violations;
    int64_t
        retry_ms; /* when to try again at the earliest (google.rpc.RetryInfo); 0: it is not said */
};

/* Fills st and returns false, so that a caller can `return status_set(…)`. A message that is too
 * long is cut between two characters. reason: "" or one that no outcome has. */
bool status_set(struct status *st, enum status_code code, const char *reason, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* The same with the code and the reason of an outcome other than OUTCOME_OTHER. */
bool status_set_outcome(struct status *st, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a bad field of a request: INVALID_ARGUMENT with the field's path. */
bool status_bad_field(struct status *st, const char *field, const char *reason, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* Adds a machine-readable detail; one beyond STATUS_INFO_MAX is dropped. key is a literal. */
void status_add_info(struct status *st, const char *key, const char *value);
void status_add_number(struct status *st, const char *key, uint64_t value);

/* Adds the details `limit` and `found` of a limit that was exceeded. Returns false. */
bool status_exceeds(struct status *st, uint64_t limit, uint64_t found);

/* Turns st into an outcome: replaces code and reason, keeps message, field and info. */
void status_become(struct status *st, enum outcome outcome);
/* Replaces the reason by any text, for example one that a peer sent, and decodes its outcome. The
 * code stays. */
void status_set_reason(struct status *st, const char *reason);

/* Puts "context: " before the message of a fault that is passed up. Returns false. */
bool status_context(struct status *st, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of a code as gRPC writes it, "NOT_FOUND". Never NULL. */
const char *status_code_name(enum status_code code);

#endif
