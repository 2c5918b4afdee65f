#include "address.h"

#include <stdlib.h>
#include <string.h>

#include "unix_address.h"

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* A host without brackets must not contain a colon: the port would be ambiguous. */
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
    if (unix_address_is(address)) {
        struct unix_address parsed;
        return unix_address_parse(address, &parsed, st);
    }
    const char *colon = strrchr(address, ':');
    return (colon != NULL && is_host(address, (size_t)(colon - address)) && is_port(colon + 1)) ||
           invalid(address, "is neither HOST:PORT nor unix:PATH", st);
}

bool address_check_peer(const char *address, struct status *st)
{
    if (!unix_address_is(address)) {
        return address_check(address, st);
    }
    struct unix_address parsed;
    return unix_address_parse(address, &parsed, st) &&
           (!parsed.has_mode ||
            invalid(address, "has a mode, which is for the program that listens there", st));
}
