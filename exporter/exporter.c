#include "exporter.h"

#include <microhttpd.h>
#include <string.h>

#include "listener.h"
#include "log.h"
#include "mem.h"

#define CONNECTIONS 16u
#define IDLE_SECONDS 60u

struct exporter {
    struct MHD_Daemon *daemon;
    struct listener listener;
    exporter_render *render;
    void *user;
};

/* The text is moved where it is ours, a literal otherwise. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *text,
                              size_t n, enum MHD_ResponseMemoryMode mode, const char *type)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(n, text, mode);
    if (response == NULL) {
        if (mode == MHD_RESPMEM_MUST_FREE) {
            free(text);
        }
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    return answer(connection, status, (char *)(uintptr_t)why, strlen(why), MHD_RESPMEM_PERSISTENT,
                  "text/plain; charset=utf-8");
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *n_bytes, void **state)
{
    struct exporter *exporter = user;
    (void)version;
    (void)bytes;
    if (*state == NULL) {
        *state = exporter; /* an answer that is given now would end the connection */
        return MHD_YES;
    }
    if (*n_bytes > 0) {
        *n_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/metrics") != 0) {
        return refuse(connection, 404, "the metrics are at /metrics\n");
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return refuse(connection, 405, "only GET and HEAD\n");
    }
    struct str page = {0};
    exporter->render(exporter->user, &page);
    return answer(connection, 200, page.data, page.len, MHD_RESPMEM_MUST_FREE,
                  EXPORTER_CONTENT_TYPE);
}

bool exporter_start(const char *address, exporter_render *render, void *user,
                    struct exporter **ret_exporter, struct status *st)
{
    struct listener listener;
    if (!listener_open(address, &listener, st)) {
        return status_context(st, "--metrics");
    }
    struct exporter *exporter = mem_zalloc(sizeof *exporter);
    *exporter = (struct exporter){.listener = listener, .render = render, .user = user};
    exporter->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, exporter,
        MHD_OPTION_LISTEN_SOCKET, listener.fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
    if (exporter->daemon == NULL) {
        exporter_stop(exporter);
        return status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE",
                          "cannot start the HTTP server of the metrics");
    }
    log_event(LOG_INFO, "metrics", "address", listener.address, NULL);
    *ret_exporter = exporter;
    return true;
}

void exporter_stop(struct exporter *exporter)
{
    if (exporter == NULL) {
        return;
    }
    if (exporter->daemon != NULL) {
        MHD_stop_daemon(exporter->daemon);
        exporter->listener.fd = -1; /* the daemon has closed it */
    }
    listener_close(&exporter->listener);
    free(exporter);
}
