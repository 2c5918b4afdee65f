/* Where a store under test lives: a place of its own, gone when the test ends. CONFREG_TEST_STORE
 * tells the kind: "sqlite" (also where it is not set), "memory", or the address of a server,
 * "mongodb://…", on which each test makes a database.
 *
 * CONTRACT(suite, name) makes two tests of a body: one gets the store as it is, the other one gets
 * it through the tracing decorator, which must not change anything. */
#ifndef CONTRACT_PLACE_H
#define CONTRACT_PLACE_H

#include <criterion/criterion.h>

#include "store.h"

struct place_kind;

struct place {
    const struct place_kind *kind;
    char folder[64]; /* "" where the kind needs none */
    char address[256];
    bool traced;
    struct store *store; /* open, or NULL */
};

/* Makes the place and opens its store. Fails the test where that cannot be done. */
void place_init(struct place *place, bool traced);
/* Closes the store and removes the place. */
void place_fini(struct place *place);
void place_close(struct place *place);
void place_open(struct place *place);
void place_reopen(struct place *place);
/* Whether the store outlives its process. */
bool place_lasts(const struct place *place);
/* Opens a closed one where that has to fail. */
void place_open_fails(struct place *place, struct status *st);

/* ---- Damage: what a bad disk does, behind the store's back ---- */

enum stored_field { STORED_RECORD, STORED_HASH, STORED_SALT, STORED_PAYLOAD };

/* Flips a bit of a stored byte; a second flip mends it. index: of the change, for salt and payload.
 * false where the field has no such byte. */
bool place_flip(const struct place *place, enum stored_field field, uint64_t revision,
                uint32_t index, size_t position);
/* The byte to damage behind this one: of a slow store not each one is tried. */
size_t place_next_byte(const struct place *place, size_t position);
/* Takes a commit out of the log. */
void place_remove_commit(const struct place *place, uint64_t revision);
/* Takes the payload of a change out of it, and says nothing of erasing. */
void place_lose_payload(const struct place *place, uint64_t revision, uint32_t index);
/* Puts the record and hash of one commit in the place of another one's. */
void place_copy_commit(const struct place *place, uint64_t from, uint64_t over);
/* Sets the number of the data format. */
void place_set_format(const struct place *place, int format);

/* Of a database: takes the identity out of it; removes it all, as if it had never been opened. */
void place_drop_identity(const struct place *place);
void place_wipe(struct place *place);

typedef void contract_body(struct place *place);
void contract_run(contract_body *body, bool traced);

#define CONTRACT(suite, name)                                                                      \
    static void suite##_##name(struct place *place);                                               \
    Test(suite, name, .timeout = 240)                                                              \
    {                                                                                              \
        contract_run(suite##_##name, false);                                                       \
    }                                                                                              \
    Test(suite##_traced, name, .timeout = 240)                                                     \
    {                                                                                              \
        contract_run(suite##_##name, true);                                                        \
    }                                                                                              \
    static void suite##_##name(struct place *place)

#endif
