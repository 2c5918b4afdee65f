/* The epochs that a log has had. */
#include <string.h>

#include "store.h"

#define EPOCH_BYTES (EPOCH_SIZE + 8)

size_t store_epochs_encode(const struct store_identity *identity, uint8_t bytes[STORE_EPOCHS_BYTES])
{
    for (size_t i = 0; i < identity->n_earlier; i++) {
        const struct store_epoch *earlier = &identity->earlier[i];
        uint8_t *at = bytes + i * EPOCH_BYTES;
        memcpy(at, earlier->epoch, EPOCH_SIZE);
        for (int k = 0; k < 8; k++) {
            at[EPOCH_SIZE + k] = (uint8_t)(earlier->through >> (56 - 8 * k));
        }
    }
    return identity->n_earlier * EPOCH_BYTES;
}

bool store_epochs_decode(const uint8_t *bytes, size_t n, struct store_identity *identity)
{
    if (n % EPOCH_BYTES != 0 || n > STORE_EPOCHS_BYTES) {
        return false;
    }
    identity->n_earlier = n / EPOCH_BYTES;
    for (size_t i = 0; i < identity->n_earlier; i++) {
        struct store_epoch *earlier = &identity->earlier[i];
        const uint8_t *at = bytes + i * EPOCH_BYTES;
        memcpy(earlier->epoch, at, EPOCH_SIZE);
        earlier->through = 0;
        for (int k = 0; k < 8; k++) {
            earlier->through = earlier->through << 8 | at[EPOCH_SIZE + k];
        }
        if (i > 0 && earlier->through <= identity->earlier[i - 1].through) {
            return false;
        }
    }
    return true;
}

const uint8_t *store_epoch_at(const struct store_identity *identity, uint64_t revision)
{
    for (size_t i = 0; i < identity->n_earlier; i++) {
        if (revision <= identity->earlier[i].through) {
            return identity->earlier[i].epoch;
        }
    }
    return identity->epoch;
}

/* An epoch without a commit leaves no trace. */
static bool close_epoch(struct store_identity *identity, uint64_t through, struct status *st)
{
    size_t n = identity->n_earlier;
    if (through == (n == 0 ? 0 : identity->earlier[n - 1].through)) {
        return true;
    }
    if (n == STORE_EPOCHS_MAX) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "EPOCHS_FULL",
                          "the log has had %d epochs, which is the limit", STORE_EPOCHS_MAX);
    }
    identity->earlier[n].through = through;
    memcpy(identity->earlier[n].epoch, identity->epoch, EPOCH_SIZE);
    identity->n_earlier++;
    return true;
}

bool store_new_epoch(struct store *store, struct status *st)
{
    struct store_identity identity = store->identity;
    struct store_tail tail;
    if (!store_tail(store, &tail, st) || !close_epoch(&identity, tail.revision, st)) {
        return false;
    }
    random_bytes(identity.epoch, EPOCH_SIZE);
    if (!store->ops->renew(store, &identity, st)) {
        return false;
    }
    store->identity = identity;
    return true;
}
