/* When credentials expire that no list has: those of JSON Web Tokens that callers have shown. It is
 * bounded: a bit for each second of the next EXPIRIES_AHEAD_S. A later time is noted as the last of
 * these, where its caller is looked at and notes it again. Private to access. */
#ifndef ACCESS_EXPIRIES_H
#define ACCESS_EXPIRIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EXPIRIES_AHEAD_S 43200
#define EXPIRIES_SECONDS (2 * EXPIRIES_AHEAD_S) /* of the circle; a multiple of 64 */

/* Zeroed, then expiries_pass: empty. */
struct expiries {
    atomic_uint_least64_t bits[EXPIRIES_SECONDS / 64]; /* second s is bit s % EXPIRIES_SECONDS */
    int64_t passed_s;                                  /* all seconds up to this one */
};

/* Notes a time after now, on clock_wall_us(). Any thread. */
void expiries_add(struct expiries *expiries, int64_t at_us, int64_t now_us);
/* Whether one that was noted has passed since the last call. One thread. */
bool expiries_pass(struct expiries *expiries, int64_t now_us);

#endif
