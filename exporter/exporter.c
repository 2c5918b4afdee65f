#include "exporter.h"

#include <pthread.h>
#include <string.h>

#include "http_server.h"
#include "listener.h"
#include "log.h"
#include "mem.h"
#include "wake.h"

#define CONNECTIONS 16u
/* All connections may be taken by clients that ask nothing; a scrape waits no longer than this. */
#define PATIENCE_MS 5000

struct exporter {
    struct http_server *server;
    struct listener listener;
    exporter_render *render;
    void *user;
    struct wake wake;
    struct http_watched wake_watch;
    pthread_t thread;
    bool started;
};

/* ---- Requests ---- */

static const char *const text_type = "text/plain; charset=utf-8";

static void answer(struct http_exchange *x, unsigned status, const char *type,
                   const struct str *text)
{
    const struct http_field fields[] = {{"Content-Type", type}, {"Allow", "GET, HEAD"}};
    const struct http_answer answer = {.status = status,
                                       .fields = fields,
                                       .n_fields = status == 405 ? 2 : 1,
                                       .body = str_text(text),
                                       .n_body = text->len};
    http_answer(x, &answer);
}

static void begin(void *user, struct http_exchange *x)
{
    (void)user;
    x->user = mem_zalloc(sizeof(struct str)); /* of the answer */
}

static void skip_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    (void)user;
    (void)x;
    (void)bytes;
    (void)n;
}

static bool is_method(const struct http_exchange *x, const char *name)
{
    return strcmp(x->head.method, name) == 0;
}

static void run(void *user, struct http_exchange *x)
{
    struct exporter *exporter = user;
    struct str *text = x->user;
    const char *target = x->head.target;
    size_t n = strcspn(target, "?");
    if (n != strlen("/metrics") || strncmp(target, "/metrics", n) != 0) {
        str_add_text(text, "the metrics are at /metrics\n");
        answer(x, 404, text_type, text);
    } else if (!is_method(x, "GET") && !is_method(x, "HEAD")) {
        str_add_text(text, "only GET and HEAD\n");
        answer(x, 405, text_type, text);
    } else {
        exporter->render(exporter->user, text);
        answer(x, 200, EXPORTER_CONTENT_TYPE, text);
    }
}

static void end(void *user, struct http_exchange *x)
{
    (void)user;
    str_fini(x->user);
    free(x->user);
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    (void)user;
    (void)x;
    str_addf(body, "%s\n", refusal->why);
    return text_type;
}

/* Every answer is complete when `run` returns, so `read` and `gone` are never called. */
static const struct http_handlers handlers = {
    .begin = begin, .body = skip_body, .run = run, .end = end, .refuse = refuse};

/* ---- Start and end ---- */

static void *serve(void *user)
{
    struct exporter *exporter = user;
    while (!wake_stopping(&exporter->wake)) {
        http_server_poll(exporter->server, -1);
        http_server_run(exporter->server);
    }
    return NULL;
}

static bool start_thread(struct exporter *exporter, struct status *st)
{
    struct http_watched *wake = &exporter->wake_watch;
    wake->fd = exporter->wake.fd;
    exporter->started = http_server_watch(exporter->server, wake) &&
                        pthread_create(&exporter->thread, NULL, serve, exporter) == 0;
    return exporter->started || status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE",
                                           "cannot start the HTTP server of the metrics");
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
    wake_init(&exporter->wake);
    const struct http_settings settings = {.listener = &exporter->listener,
                                           .max_connections = CONNECTIONS,
                                           .patience_ms = PATIENCE_MS,
                                           .handlers = &handlers,
                                           .user = exporter};
    if (!http_server_new(&settings, &exporter->server, st) || !start_thread(exporter, st)) {
        exporter_stop(exporter);
        return false;
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
    if (exporter->started) {
        wake_stop(&exporter->wake);
        pthread_join(exporter->thread, NULL);
    }
    http_server_free(exporter->server);
    listener_close(&exporter->listener);
    wake_fini(&exporter->wake);
    free(exporter);
}
