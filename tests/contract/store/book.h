/* The log as it has to be: commits that a test makes, in order, to compare a store with. */
#ifndef CONTRACT_BOOK_H
#define CONTRACT_BOOK_H

#include "store.h"

#define BOOK_ROOM 1152

struct book {
    uint8_t epoch[EPOCH_SIZE];
    struct commit *commits[BOOK_ROOM]; /* owned; commits[i] has revision i + 1 */
    size_t n;
};

/* One change of a commit. json: of one that brings a version. */
struct line {
    enum change_kind kind;
    const char *service; /* the environment is "prod" unless the service says "ENVIRONMENT/…" */
    uint64_t version;
    const char *json;
};

void book_init(struct book *book, const struct store *store);
void book_fini(struct book *book);

/* Writes the next commit, sealed; the book owns it. */
struct commit *book_write(struct book *book, const struct line *lines, size_t n);
/* The same with a request_id. */
struct commit *book_write_for(struct book *book, const char *actor, const char *request_id,
                              const struct line *line);
/* A commit that could stand in the place of this one, by another writer. Owned by the caller. */
struct commit *book_rival(const struct book *book, uint64_t revision);

/* Appends the commits from revision `from` on in one go; it must go well. */
void book_append(const struct book *book, struct store *store, uint64_t from);
/* n commits of one change each, one append each. */
void book_fill(struct book *book, struct store *store, size_t n);
/* The store holds the first n commits of the book and nothing else: tail, records, hashes and all
 * payloads. */
void book_check(const struct book *book, struct store *store, size_t n);
/* One commit is another one's equal, payloads included. */
void book_compare(const struct commit *found, const struct commit *wanted, bool with_payloads);

#endif
