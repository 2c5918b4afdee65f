#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "acceptor.h"
#include "address.h"
#include "unix_address.h"

static bool in_use(const char *address, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_IN_USE",
                      "cannot listen on %s: another server does", address);
}

/* Two servers that start together could both find a file that nobody listens on, and take it over.
 * The lock ends with the process; its file stays, since removing it would race. */
static bool lock_socket(struct rpc_server *server, const char *address, const char *path,
                        struct status *st)
{
    AUTO_STR name = {0};
    str_addf(&name, "%s.lock", path);
    int fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNUSABLE",
                          "cannot listen on %s: opening %s: %s", address, name.data,
                          strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return in_use(address, st);
    }
    server->lock_files =
        mem_grow(server->lock_files, server->n_lock_files + 1, sizeof server->lock_files[0]);
    server->lock_files[server->n_lock_files++] = fd;
    return true;
}

void listen_unlock(struct rpc_server *server)
{
    for (size_t i = 0; i < server->n_lock_files; i++) {
        close(server->lock_files[i]);
    }
    free(server->lock_files);
}

static bool listen_unix(struct rpc_server *server, const char *address, struct status *st)
{
    struct unix_address parsed;
    if (!unix_address_parse(address, &parsed, st)) {
        return false;
    }
    return lock_socket(server, address, parsed.name.sun_path, st) &&
           acceptor_listen_unix(server->acceptor, address, st);
}

bool rpc_server_listen(struct rpc_server *server, const char *address, int *ret_port,
                       struct status *st)
{
    if (!unix_address_is(address)) {
        return address_check(address, st) &&
               acceptor_listen(server->acceptor, address, ret_port, st);
    }
    if (!listen_unix(server, address, st)) {
        return false;
    }
    if (ret_port != NULL) {
        *ret_port = 0;
    }
    return true;
}
