/* Regular expressions of ECMA-262 (with the flag u) by PCRE2, bounded in time and memory.
 *
 * A pattern is translated first, so that it means what ECMA-262 says: `.` does not match the four
 * line ends, `\s` matches Unicode's blanks, `\d`, `\w` and `\b` know ASCII only, `$` matches at the
 * very end only, properties have ECMA's names. What only Perl knows (inline flags, atomic groups,
 * possessive quantifiers, verbs, \Q, \A, \Z, \K …) is refused. More lenient than ECMA-262: an
 * escaped ASCII character that is no letter or digit is that character, and `{`, `}`, `]` may stand
 * for themselves. Stricter: a lookbehind must have alternatives of fixed length.
 *
 * A compiled expression is immutable: any thread. */
#ifndef SCHEMA_REGEX_H
#define SCHEMA_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "str.h"

/* The longest pattern, in bytes. */
#define REGEX_PATTERN_MAX 16384
/* Memory of a match for backtracking, in KiB. */
#define REGEX_HEAP_KIB 8192
/* How deep backtracking may nest. */
#define REGEX_DEPTH 50000
/* Backtracking points of a match from one place of the text at the most. */
#define REGEX_BACKTRACKS 65536

struct regex;

/* pattern: UTF-8, may hold NULs. False: the pattern is refused, and ret_fault says why (to be freed
 * by the caller's str_fini). */
bool regex_compile(struct json_text pattern, struct regex **ret_regex, struct str *ret_fault);
void regex_free(struct regex *regex);
/* Memory of the compiled expression. */
size_t regex_bytes(const struct regex *regex);

MEM_CLEANUP(struct regex, regex_free)

enum regex_result { REGEX_MATCH, REGEX_NO_MATCH, REGEX_LIMIT };

/* Looks for the expression anywhere in text (UTF-8). Takes from *steps what it may have cost, in
 * units of about 20 ns; REGEX_LIMIT where that or a limit above is not enough. */
enum regex_result regex_match(const struct regex *regex, struct json_text text, uint64_t *steps);

#endif
