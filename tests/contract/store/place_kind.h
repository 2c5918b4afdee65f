/* The methods of a kind of place; each has the contract of the function of the same name in
 * place.h. */
#ifndef CONTRACT_PLACE_KIND_H
#define CONTRACT_PLACE_KIND_H

#include "place.h"

struct place_kind {
    bool (*takes)(const char *wanted); /* whether CONFREG_TEST_STORE says this kind */
    void (*make)(struct place *place); /* sets the address */
    void (*remove)(struct place *place);
    size_t stride; /* damage is done to one byte in so many */
    /* NULL where a store dies with its process. */
    bool (*flip)(const struct place *place, enum stored_field field, uint64_t revision,
                 uint32_t index, size_t position);
    void (*remove_commit)(const struct place *place, uint64_t revision);
    void (*lose_payload)(const struct place *place, uint64_t revision, uint32_t index);
    void (*copy_commit)(const struct place *place, uint64_t from, uint64_t over);
    void (*set_format)(const struct place *place, int format);
    void (*drop_identity)(const struct place *place); /* NULL but for a database */
};

extern const struct place_kind place_sqlite;
extern const struct place_kind place_memory;
extern const struct place_kind place_mongodb;

#endif
