#include "listener.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "mem.h"
#include "str.h"

static bool in_use(const char *address, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_IN_USE",
                      "cannot listen on %s: another program does", address);
}

static bool unusable(const char *address, const char *why, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNUSABLE", "cannot listen on %s: %s",
                      address, why);
}

static bool failed(const char *address, int error, struct status *st)
{
    return error == EADDRINUSE ? in_use(address, st) : unusable(address, strerror(error), st);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- Unix sockets ---- */

static void lock_name(const char *path, struct str *out)
{
    str_addf(out, "%s.lock", path);
}

/* Whether the file that is locked is still the one of that name: whoever had the lock before may
 * have removed it between our open and our lock. */
static bool is_same_file(int fd, const char *name)
{
    struct stat locked;
    struct stat named;
    return fstat(fd, &locked) == 0 && stat(name, &named) == 0 && locked.st_dev == named.st_dev &&
           locked.st_ino == named.st_ino;
}

static bool lock_path(struct listener *listener, const char *address, struct status *st)
{
    AUTO_STR name = {0};
    lock_name(listener->unix_path, &name);
    do {
        close(listener->lock_fd);
        listener->lock_fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (listener->lock_fd < 0) {
            AUTO_STR why = {0};
            str_addf(&why, "opening %s: %s", name.data, strerror(errno));
            return unusable(address, why.data, st);
        }
        if (flock(listener->lock_fd, LOCK_EX | LOCK_NB) != 0) {
            close(listener->lock_fd);
            listener->lock_fd = -1;
            return in_use(address, st);
        }
    } while (!is_same_file(listener->lock_fd, name.data));
    return true;
}

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
static bool bind_new(int fd, const struct address *address)
{
    return fchmod(fd, address->mode) == 0 &&
           bind(fd, (const struct sockaddr *)&address->name, sizeof address->name) == 0 &&
           chmod(address->name.sun_path, address->mode) == 0;
}

static bool bind_unix(int fd, const struct address *address)
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

static bool open_unix(const char *text, const struct address *address, struct listener *listener,
                      struct status *st)
{
    listener->unix_path = mem_string(address->name.sun_path);
    snprintf(listener->address, sizeof listener->address, "unix:%s", listener->unix_path);
    if (!lock_path(listener, text, st)) {
        return false;
    }
    int fd = open_socket(AF_UNIX);
    if (fd < 0 || !bind_unix(fd, address) || listen(fd, SOMAXCONN) != 0) {
        int error = errno;
        close(fd);
        return failed(text, error, st);
    }
    listener->fds[listener->n++] = fd;
    return true;
}

/* ---- TCP ---- */

static in_port_t *port_of(struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)address)->sin6_port
                                          : &((struct sockaddr_in *)(void *)address)->sin_port;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    bool ok = getsockname(fd, (void *)&address, &size) == 0;
    assert(ok && "a socket that listens has an address");
    return ntohs(*port_of((struct sockaddr *)&address));
}

/* -1 with errno where it cannot listen. */
static int listen_at(const struct addrinfo *at)
{
    int on = 1;
    int off = 0;
    int fd = open_socket(at->ai_family);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              (at->ai_family != AF_INET6 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
              bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
    if (!ok) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* A name may stand for an address twice. */
static bool is_repeated(const struct addrinfo *at, const struct addrinfo *found)
{
    for (; found != at; found = found->ai_next) {
        if (found->ai_family == at->ai_family && found->ai_addrlen == at->ai_addrlen &&
            memcmp(found->ai_addr, at->ai_addr, at->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* All get the port of the first. */
static bool listen_on_all(const char *text, struct addrinfo *found, struct listener *listener,
                          struct status *st)
{
    int error = EADDRNOTAVAIL;
    for (struct addrinfo *at = found; at != NULL && listener->n < LISTENER_SOCKETS;
         at = at->ai_next) {
        bool repeated = is_repeated(at, found);
        if (listener->port != 0) {
            *port_of(at->ai_addr) = htons((uint16_t)listener->port);
        }
        int fd = repeated ? -1 : listen_at(at);
        if (fd >= 0) {
            listener->fds[listener->n++] = fd;
            listener->port = bound_port(fd);
        } else if (!repeated && errno == EADDRINUSE) {
            return in_use(text, st);
        } else if (!repeated) {
            error = errno;
        }
    }
    return listener->n > 0 || unusable(text, strerror(error), st);
}

static bool open_tcp(const char *text, const struct address *address, struct listener *listener,
                     struct status *st)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(address->host, address->port, &hints, &found);
    if (error != 0) {
        return unusable(text, gai_strerror(error), st);
    }
    bool ok = listen_on_all(text, found, listener, st);
    freeaddrinfo(found);
    bool is_v6 = strchr(address->host, ':') != NULL;
    snprintf(listener->address, sizeof listener->address, is_v6 ? "[%s]:%d" : "%s:%d",
             address->host, listener->port);
    return ok;
}

/* ---- Life ---- */

bool listener_open(const char *text, struct listener *ret_listener, struct status *st)
{
    struct address address;
    struct listener listener = {.lock_fd = -1};
    if (!address_parse(text, ADDRESS_TO_LISTEN, &address, st)) {
        return false;
    }
    if (!(address.is_unix ? open_unix : open_tcp)(text, &address, &listener, st)) {
        listener_close(&listener);
        return false;
    }
    *ret_listener = listener;
    return true;
}

/* The socket's file is ours only if it was bound. The lock's file is removed before it is
 * unlocked. */
static void close_unix(struct listener *listener)
{
    AUTO_STR name = {0};
    lock_name(listener->unix_path, &name);
    if (listener->n > 0) {
        unlink(listener->unix_path);
    }
    if (listener->lock_fd >= 0) {
        unlink(name.data);
        close(listener->lock_fd);
    }
    free(listener->unix_path);
}

void listener_close(struct listener *listener)
{
    if (listener->unix_path != NULL) {
        close_unix(listener);
    }
    for (size_t i = 0; i < listener->n; i++) {
        close(listener->fds[i]);
    }
    *listener = (struct listener){.lock_fd = -1};
}
