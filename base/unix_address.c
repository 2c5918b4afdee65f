#include "unix_address.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "unix:"
#define MODE "?mode="

bool unix_address_is(const char *address)
{
    return strncmp(address, PREFIX, strlen(PREFIX)) == 0;
}

static bool invalid(const char *address, const char *what, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ADDRESS_INVALID", "the address \"%s\" %s",
                      address, what);
}

/* text: what follows the path, "?mode=0660". */
static bool parse_mode(const char *text, mode_t *ret_mode)
{
    if (strncmp(text, MODE, strlen(MODE)) != 0) {
        return false;
    }
    const char *digits = text + strlen(MODE);
    size_t n = strlen(digits);
    if (n < 3 || n > 4 || strspn(digits, "01234567") != n || (n == 4 && digits[0] != '0')) {
        return false;
    }
    *ret_mode = (mode_t)strtoul(digits, NULL, 8);
    return true;
}

bool unix_address_parse(const char *address, struct unix_address *ret_address, struct status *st)
{
    struct unix_address parsed = {.name = {.sun_family = AF_UNIX}, .mode = UNIX_SOCKET_MODE};
    const char *path = address + strlen(PREFIX);
    path += strncmp(path, "///", 3) == 0 ? 2 : 0;
    size_t n = strcspn(path, "?");
    if (n == 0 || n >= sizeof parsed.name.sun_path) {
        return invalid(address, "has no path or too long a path for a unix socket", st);
    }
    memcpy(parsed.name.sun_path, path, n);
    parsed.has_mode = path[n] != '\0';
    if (parsed.has_mode && !parse_mode(path + n, &parsed.mode)) {
        return invalid(address, "has something other than ?mode=0660 (octal) behind its path", st);
    }
    *ret_address = parsed;
    return true;
}
