/* Reads a struct of options of a program that was built with another version of the header. */
#ifndef LIB_OPTIONS_SIZE_H
#define LIB_OPTIONS_SIZE_H

#include <stddef.h>

#include "confreg.h"

/* Copies `given`, whose first member is its size, to `to`, a struct of size `size` that has been
 * filled with the defaults; NULL: keeps them. Members that the program does not know keep the
 * defaults, too. INVALID_ARGUMENT, reason OPTIONS_SIZE: the size was not set, or members that this
 * library does not know are not zero. */
bool options_read(const void *given, void *to, size_t size, struct confreg_error *error);

#endif
