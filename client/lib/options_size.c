#include "options_size.h"

#include <string.h>

#include "error.h"

static bool are_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

bool options_read(const void *given, void *to, size_t size, struct confreg_error *error)
{
    if (given == NULL) {
        return true;
    }
    size_t n;
    memcpy(&n, given, sizeof n);
    if (n < sizeof n || n > 4096) {
        return error_set(error, STATUS_INVALID_ARGUMENT, "OPTIONS_SIZE",
                         "the size of the options was not set");
    }
    if (n > size && !are_zero((const char *)given + size, n - size)) {
        return error_set(error, STATUS_INVALID_ARGUMENT, "OPTIONS_SIZE",
                         "this version of the library does not know all options that are set");
    }
    memcpy(to, given, n < size ? n : size);
    return true;
}
