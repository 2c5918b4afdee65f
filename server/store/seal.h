/* Seals: hashes stored with the rows that the hash chain of the log does not cover (identity,
 * heads, marks), so that damage to them is detected. A row whose seal does not match is DATA_LOSS
 * and is never used.
 *
 * A seal proves one row, but not that all rows are of the same moment: a page whose last write was
 * lost still has good seals. So the mark HEADS also has a digest over all heads. The digest does
 * not depend on their order and can be updated incrementally. */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "store.h"

/* format: of the store that holds it, 2 or later. */
struct hash seal_of_identity(const struct store_identity *identity, uint64_t format);
struct hash seal_of_head(const struct store_head_row *row);
/* The row of a head, without its newest version; borrowed from the head. */
struct store_head_row store_head_row_of(const struct head *head);

/* The number of heads and the sum of their seals modulo 2^256, least significant part first.
 * Zeroed: no heads. */
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

/* A mark as it is stored. */
struct mark_row {
    uint64_t value;
    struct heads_digest digest; /* of HEADS if the backend keeps one; else zero */
};
/* Includes the store's secret, so that a mark of another store does not match. */
struct hash seal_of_mark(const struct store_identity *identity, enum store_mark mark,
                         const struct mark_row *row);

#endif
