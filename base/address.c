#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define UNIX_PREFIX "unix:"
#define MODE "?mode="
#define PORT_MAX 65535

static bool invalid(const char *text, const char *what, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ADDRESS_INVALID", "the address \"%s\" %s", text,
                      what);
}

/* ---- Unix sockets ---- */

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

static bool parse_unix(const char *text, enum address_use use, struct address *address,
                       struct status *st)
{
    const char *path = text + strlen(UNIX_PREFIX);
    path += strncmp(path, "///", 3) == 0 ? 2 : 0;
    size_t n = strcspn(path, "?");
    if (n == 0 || n >= sizeof address->name.sun_path) {
        return invalid(text, "has no path or too long a path for a unix socket", st);
    }
    address->is_unix = true;
    address->name.sun_family = AF_UNIX;
    address->mode = ADDRESS_UNIX_MODE;
    memcpy(address->name.sun_path, path, n);
    if (path[n] == '\0') {
        return true;
    }
    if (!parse_mode(path + n, &address->mode)) {
        return invalid(text, "has something other than ?mode=0660 (octal) behind its path", st);
    }
    return use == ADDRESS_TO_LISTEN ||
           invalid(text, "has a mode, which is for the program that listens there", st);
}

/* ---- TCP ---- */

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n < ADDRESS_PORT_SIZE && text[n] == '\0' && atoi(text) <= PORT_MAX;
}

/* A host without brackets has no colon, or the port could not be told. */
static bool parse_host(const char *text, size_t n, char *ret_host)
{
    if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n) != NULL || memchr(text, '[', n) != NULL) {
        return false;
    }
    if (n == 0 || n >= ADDRESS_HOST_SIZE || memchr(text, '/', n) != NULL) {
        return false;
    }
    snprintf(ret_host, ADDRESS_HOST_SIZE, "%.*s", (int)n, text);
    return true;
}

static bool parse_tcp(const char *text, struct address *address, struct status *st)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1) ||
        !parse_host(text, (size_t)(colon - text), address->host)) {
        return invalid(text, "is neither HOST:PORT nor [IPV6]:PORT nor unix:PATH", st);
    }
    snprintf(address->port, sizeof address->port, "%s", colon + 1);
    return true;
}

bool address_parse(const char *text, enum address_use use, struct address *ret_address,
                   struct status *st)
{
    struct address address = {.is_unix = false};
    bool ok = strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0
                  ? parse_unix(text, use, &address, st)
                  : parse_tcp(text, &address, st);
    if (ok) {
        *ret_address = address;
    }
    return ok;
}

bool address_is_local(const struct address *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    return address->is_unix || strcmp(address->host, "localhost") == 0 ||
           (inet_pton(AF_INET, address->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127) ||
           (inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

bool address_list_is_local(const char *list)
{
    AUTO(free) char *copy = mem_string(list);
    char *rest = NULL;
    struct status ignored;
    for (char *text = strtok_r(copy, ",", &rest); text != NULL; text = strtok_r(NULL, ",", &rest)) {
        struct address address;
        if (!address_parse(text, ADDRESS_TO_LISTEN, &address, &ignored) ||
            !address_is_local(&address)) {
            return false;
        }
    }
    return true;
}

bool address_check_local(const struct address *address, const char *text, struct status *st)
{
    return address_is_local(address) ||
           status_set(st, STATUS_FAILED_PRECONDITION, "INSECURE_LISTENER",
                      "--listen %s would serve other machines without TLS: give --tls-cert and "
                      "--tls-key, or --insecure where the network itself is protected",
                      text);
}
