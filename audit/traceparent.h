/* The header traceparent of W3C Trace Context, by which tracing systems connect what one request
 * causes in several programs. Pure; any thread. */
#ifndef AUDIT_TRACEPARENT_H
#define AUDIT_TRACEPARENT_H

#include <stdbool.h>
#include <stddef.h>

/* "00-TRACE-PARENT-FLAGS" and a NUL. */
#define TRACEPARENT_SIZE 56

/* Reads a header value: version, ids of trace and parent that are not all 0, and flags, in digits
 * of lower case. Of a version after 00, which may have more behind these, the four are kept, as
 * version 00. Several values joined by commas are none. False: it is none, and ret is "". */
bool traceparent_parse(const char *value, size_t n, char ret[TRACEPARENT_SIZE]);

#endif
