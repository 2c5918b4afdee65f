/* Times that a client gives: RFC 3339 ("2026-01-31T09:18:40Z"), or relative to now ("-90m", "-1h",
 * "-7d"). Pure. */
#ifndef GATEWAY_WHEN_H
#define GATEWAY_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* Microseconds since 1970, of a time in the years 1 to 9999. A blank before the offset counts as a
 * plus, which a query turns into one. False: the text is no time. */
bool when_parse(const char *text, int64_t now_us, int64_t *ret_us);

#endif
