#include "address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "mem.h"

#define UNIX_PREFIX "unix:"

const char *address_unix_path(const char *address)
{
    if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) != 0) {
        return NULL;
    }
    const char *path = address + strlen(UNIX_PREFIX);
    return strncmp(path, "///", 3) == 0 ? path + 2 : path;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* A host without brackets must not have a colon, or the port could not be told. */
static bool is_host(const char *host, size_t n)
{
    if (n > 0 && host[0] == '[') {
        return n > 2 && host[n - 1] == ']';
    }
    return n > 0 && memchr(host, ':', n) == NULL && memchr(host, '/', n) == NULL;
}

static bool invalid(const char *address, const char *what, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ADDRESS_INVALID", "the address \"%s\" %s",
                      address, what);
}

bool address_check(const char *address, struct status *st)
{
    const char *path = address_unix_path(address);
    if (path != NULL) {
        size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;
        return (path[0] != '\0' && strlen(path) < room) ||
               invalid(address, "has no path or too long a path for a unix socket", st);
    }
    const char *colon = strrchr(address, ':');
    return (colon != NULL && is_host(address, (size_t)(colon - address)) && is_port(colon + 1)) ||
           invalid(address, "is neither HOST:PORT nor unix:PATH", st);
}
