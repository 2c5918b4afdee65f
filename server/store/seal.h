/* Seals: what a store checks those of its rows with that steer what is served and that no hash of
 * the log covers. One that does not fit its row is DATA_LOSS; the row is never used.
 *
 * A seal proves a row, not that it is of the same moment as the others: a page that was written and
 * came back as it was before has good seals. So the mark HEADS also carries a digest over all
 * heads. It does not tell in which order they were added, so that it is carried on by what
 * changes. */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "store.h"

struct hash seal_of_identity(const struct store_identity *identity);
struct hash seal_of_head(const struct store_head_row *row);
/* A head's row, without its newest version; borrows all of it. */
struct store_head_row store_head_row_of(const struct head *head);

/* The number of heads and the sum of their seals modulo 2^256, lowest part first. Zeroed: of none.
 */
struct heads_digest {
    uint64_t n;
    uint64_t sum[HASH_SIZE / 8];
};
void heads_digest_add(struct heads_digest *digest, const struct hash *seal);
void heads_digest_remove(struct heads_digest *digest, const struct hash *seal);
bool heads_digest_equal(const struct heads_digest *a, const struct heads_digest *b);

#define HEADS_DIGEST_BYTES (8 + HASH_SIZE)
void heads_digest_encode(const struct heads_digest *digest, uint8_t bytes[HEADS_DIGEST_BYTES]);
void heads_digest_decode(const uint8_t bytes[HEADS_DIGEST_BYTES], struct heads_digest *ret_digest);

/* What is stored of a mark. */
struct mark_row {
    uint64_t value;
    struct heads_digest digest; /* of HEADS, where the backend keeps one; else zero */
};
/* Of this store's mark only: its secret is in it. */
struct hash seal_of_mark(const struct store_identity *identity, enum store_mark mark,
                         const struct mark_row *row);

#endif
