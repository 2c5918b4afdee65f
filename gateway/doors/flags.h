/* Flags of OpenFeature in configs, in the words of OFREP.
 *
 * Each member of a config is a flag: its name is the key. A boolean, number, text or object is the
 * flag's value (reason STATIC). null disables the flag: there is no value, so that programs use the
 * default in their code (reason DISABLED). An array is no flag.
 *
 * A flag that the environment's own config lacks is that of the shared config; a flag of both that
 * is an object is merged (RFC 7396), as a resolved config is; the metadata names the environment
 * that the flag is of. The variant stands for the value, and changes with nothing else, because
 * providers tell programs of each flag whose evaluation has changed: "on" and "off", a number or a
 * short text as it is, the beginning of a hash of anything else, "default" of a disabled flag.
 *
 * Pure; any thread. */
#ifndef GATEWAY_FLAGS_H
#define GATEWAY_FLAGS_H

#include "door_request.h"

/* Why an array is no flag; a literal without quotes in it. */
#define FLAG_IS_ARRAY "The value is an array, which is no type of a flag"

enum flag_outcome {
    FLAG_EVALUATED,
    FLAG_UNKNOWN,  /* nothing was appended, as for the next one */
    FLAG_NO_VALUE, /* an array */
};

/* heads: the environment's own, then the shared one, if it is another; either may be missing.
 * Appends the evaluation of one flag, an object. key: decoded. */
enum flag_outcome flag_add(const struct door_heads *heads, const char *key, struct str *out);
/* Appends the evaluations of all flags, an array: the own ones first, each in its config's order.
 * An array has an error in it. */
void flags_add_all(const struct door_heads *heads, struct str *out);

#endif
