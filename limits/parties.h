/* Limits against abuse: how much each party uses at a time, and how often it does something.
 *
 * A party is whoever is counted together, by a key (party_key.h): a principal, or the address of
 * clients that are nobody. A party that uses up its share is refused more, so that the others have
 * theirs.
 *
 * Parties live in one table. One that uses nothing and has all its rates back is forgotten when
 * room is needed. The table is bounded by PARTIES_MAX: if that many are in use, further ones
 * share one party together.
 *
 * Any thread; no function blocks for longer than a look-up. */
#ifndef LIMITS_PARTIES_H
#define LIMITS_PARTIES_H

#include "metrics.h"
#include "status.h"
#include "str.h"
#include "token_bucket.h"

#define PARTIES_MAX 65536

/* Things that are used at a time. */
enum limit_gauge {
    LIMIT_CALLS,   /* in progress; a call of several writes counts as so many */
    LIMIT_BYTES,   /* of their requests */
    LIMIT_STREAMS, /* open watches */
    LIMIT_CONNECTIONS,
    LIMIT_HELD, /* refusals of wrong credentials that are held back */
};
#define LIMIT_GAUGES (LIMIT_HELD + 1)

/* Things that are done so often a second. */
enum limit_rate {
    LIMIT_WRITES,
    LIMIT_FAILURES, /* of credentials */
};
#define LIMIT_RATES (LIMIT_FAILURES + 1)

struct limits_settings {
    uint64_t most[LIMIT_GAUGES];    /* of a party; 0: no limit */
    uint64_t total[LIMIT_GAUGES];   /* of all parties together; 0: no limit */
    struct rate rates[LIMIT_RATES]; /* of a party */
};

/* Sets what follows from the rate of LIMIT_FAILURES, and how many refusals are held back. */
void limits_complete_failures(struct limits_settings *settings);

struct limits;
struct party;

struct limits *limits_new(const struct limits_settings *settings);
/* No party may be held any more. NULL is ignored. */
void limits_free(struct limits *limits);

/* The party of a key, held by the caller until party_release. n_key 0: NULL, a party without
 * limits; all functions take it. */
struct party *limits_party(struct limits *limits, const char *key, size_t n_key);
void party_release(struct party *party);

/* Uses n more. RESOURCE_EXHAUSTED LIMIT_EXCEEDED with infos "resource" and "limit" and a time to
 * wait: the party, or all together, would have more than the limit. Nothing is used then. */
bool party_take(struct party *party, enum limit_gauge gauge, uint64_t n, struct status *st);
/* Gives back what was taken. */
void party_give(struct party *party, enum limit_gauge gauge, uint64_t n);
/* Does something n times. LIMIT_EXCEEDED, with the time until it may be done again: too often. */
bool party_spend(struct party *party, enum limit_rate rate, uint64_t n, struct status *st);

/* The shortest and the longest time for which a refusal is held back. A party that leaves this
 * alone for so long begins anew. */
#define HOLD_MIN_NS (100 * INT64_C(1000000))
#define HOLD_MAX_NS (5 * INT64_C(1000000000))
#define HOLD_FORGET_NS (60 * INT64_C(1000000000))

/* Counts a credential of the party that was refused with *st. Returns for how long the answer is to
 * be held back: 0, until there were more failures than the rate allows. From then on each is held
 * back for twice as long as the one before. It is a use of LIMIT_HELD, which the caller gives back;
 * where that is used up, the answer is not held back, and not more memory is taken. *st becomes
 * LIMIT_EXCEEDED if there are more failures than the rate allows. */
int64_t party_fail(struct party *party, struct status *st);

/* Adds metrics, each name beginning with prefix: "confreg". */
void limits_metrics(struct limits *limits, const char *prefix, struct str *page);

#endif
