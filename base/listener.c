#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "unix_address.h"

#define BACKLOG 1024

static bool cannot(const char *what, const char *address, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNAVAILABLE", "cannot %s %s: %s", what,
                      address, strerror(errno));
}

static bool no_address(const char *address, struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ADDRESS_INVALID",
                      "\"%s\" is neither HOST:PORT nor [IPV6]:PORT nor unix:PATH", address);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- Unix sockets ---- */

/* A socket file that was left behind: nobody answers there. Nobody does at a file that is no
 * socket, either. */
static bool is_stale(const struct sockaddr_un *name)
{
    struct stat found;
    if (lstat(name->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) {
        return false;
    }
    int fd = open_socket(AF_UNIX);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* The kernel creates the file with the mode of the socket minus the umask. So fchmod before bind
 * leaves no moment in which the file is more open than its mode; chmod then adds what the umask
 * took away. */
static bool bind_new(int fd, const struct unix_address *address)
{
    return fchmod(fd, address->mode) == 0 &&
           bind(fd, (const struct sockaddr *)&address->name, sizeof address->name) == 0 &&
           chmod(address->name.sun_path, address->mode) == 0;
}

static bool bind_unix(int fd, const struct unix_address *address)
{
    if (bind_new(fd, address)) {
        return true;
    }
    if (errno != EADDRINUSE) {
        return false;
    }
    if (!is_stale(&address->name)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(address->name.sun_path) == 0 && bind_new(fd, address);
}

static bool open_unix(const char *text, struct listener *listener, struct status *st)
{
    struct unix_address address;
    if (!unix_address_parse(text, &address, st)) {
        return false;
    }
    listener->fd = open_socket(AF_UNIX);
    if (listener->fd < 0 || !bind_unix(listener->fd, &address)) {
        return cannot("listen on", text, st);
    }
    listener->unix_path = mem_string(address.name.sun_path);
    snprintf(listener->address, sizeof listener->address, "unix:%s", listener->unix_path);
    return true;
}

/* ---- TCP ---- */

/* "HOST:PORT" or "[IPV6]:PORT" into NUL-terminated parts; false where it is neither. */
static bool split_address(const char *address, char host[256], char port[6])
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }
    const char *from = address;
    size_t n = (size_t)(colon - address);
    bool bracketed = n > 2 && from[0] == '[' && from[n - 1] == ']';
    if (bracketed) {
        from++;
        n -= 2;
    }
    size_t n_port = strlen(colon + 1);
    if (n == 0 || n > 255 || n_port == 0 || n_port > 5 ||
        strspn(colon + 1, "0123456789") != n_port || atoi(colon + 1) > 65535 ||
        (!bracketed && memchr(from, ':', n) != NULL)) {
        return false;
    }
    snprintf(host, 256, "%.*s", (int)n, from);
    snprintf(port, 6, "%s", colon + 1);
    return true;
}

static bool bind_tcp(int fd, const struct addrinfo *info)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    return bind(fd, info->ai_addr, info->ai_addrlen) == 0;
}

static void describe_tcp(struct listener *listener, const char *host)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char port[6] = "?";
    if (getsockname(listener->fd, (struct sockaddr *)&name, &size) == 0) {
        getnameinfo((struct sockaddr *)&name, size, NULL, 0, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    }
    bool v6 = strchr(host, ':') != NULL;
    snprintf(listener->address, sizeof listener->address, v6 ? "[%s]:%s" : "%s:%s", host, port);
}

static bool open_tcp(const char *address, struct listener *listener, struct status *st)
{
    char host[256], port[6];
    if (!split_address(address, host, port)) {
        return no_address(address, st);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNAVAILABLE", "cannot find %s: %s",
                          address, gai_strerror(error));
    }
    bool bound = false;
    for (const struct addrinfo *info = found; info != NULL && !bound; info = info->ai_next) {
        close(listener->fd);
        listener->fd = open_socket(info->ai_family);
        bound = listener->fd >= 0 && bind_tcp(listener->fd, info);
    }
    freeaddrinfo(found);
    if (!bound) {
        return cannot("listen on", address, st);
    }
    describe_tcp(listener, host);
    return true;
}

bool listener_open(const char *address, struct listener *ret_listener, struct status *st)
{
    struct listener listener = {.fd = -1};
    bool ok = unix_address_is(address) ? open_unix(address, &listener, st)
                                       : open_tcp(address, &listener, st);
    if (ok && listen(listener.fd, BACKLOG) != 0) {
        ok = cannot("listen on", address, st);
    }
    if (!ok) {
        listener_close(&listener);
        return false;
    }
    *ret_listener = listener;
    return true;
}

void listener_close(struct listener *listener)
{
    if (listener->unix_path != NULL) {
        unlink(listener->unix_path);
        free(listener->unix_path);
    }
    if (listener->fd >= 0) {
        close(listener->fd);
    }
}
