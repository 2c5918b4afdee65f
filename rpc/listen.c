#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_security.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acceptor.h"
#include "address.h"
#include "unix_address.h"

static bool in_use(const char *address, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_IN_USE",
                      "cannot listen on %s: another server does", address);
}

/* The core removes a socket's file that is there already, so a second server would take the path
 * over unseen. The lock ends with the process; its file stays, since removing it would race. */
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

/* The core binds and listens in one step. Nobody but the owner can connect until the socket has its
 * mode: of what other threads make meanwhile the mask takes away, too, and gives nothing. */
static int bind_for_owner(struct rpc_server *server, const char *path)
{
    AUTO_STR address = {0};
    str_addf(&address, "unix:%s", path);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    mode_t mask = umask(0077);
    int port = grpc_server_add_http2_port(server->core, address.data, credentials);
    umask(mask);
    grpc_server_credentials_release(credentials);
    return port;
}

static bool listen_unix(struct rpc_server *server, const char *address, struct status *st)
{
    struct unix_address parsed;
    if (!unix_address_parse(address, &parsed, st)) {
        return false;
    }
    const char *path = parsed.name.sun_path;
    if (!lock_socket(server, address, path, st)) {
        return false;
    }
    if (bind_for_owner(server, path) == 0) {
        return status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNUSABLE",
                          "cannot listen on %s: no socket can be made there", address);
    }
    return chmod(path, parsed.mode) == 0 ||
           status_set(st, STATUS_UNAVAILABLE, "ADDRESS_UNUSABLE",
                      "cannot listen on %s: its mode cannot be set: %s", address, strerror(errno));
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
