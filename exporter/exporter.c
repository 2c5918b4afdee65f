#include "exporter.h"

#include <string.h>

#include "http_thread.h"
#include "listener.h"
#include "log.h"
#include "mem.h"

#define CONNECTIONS 16u
/* All connections may be taken by clients that ask nothing; a scrape waits no longer than this. */
#define PATIENCE_MS 5000

struct exporter {
    struct listener listener;
    struct http_thread *thread;
    exporter_render *render;
    void *user;
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

bool exporter_start(const struct exporter_options *options, struct exporter **ret_exporter,
                    struct status *st)
{
    struct listener listener;
    if (!listener_open(options->address, &listener, st)) {
        return status_context(st, "--metrics");
    }
    struct exporter *exporter = mem_zalloc(sizeof *exporter);
    *exporter =
        (struct exporter){.listener = listener, .render = options->render, .user = options->user};
    const struct http_settings settings = {.listener = &exporter->listener,
                                           .max_connections = CONNECTIONS,
                                           .patience_ms = PATIENCE_MS,
                                           .tls = options->tls,
                                           .handshake_ms = options->handshake_ms,
                                           .handlers = &handlers,
                                           .user = exporter};
    if (!http_thread_start(&settings, &exporter->thread, st)) {
        exporter_stop(exporter);
        return false;
    }
    bool has_tls = options->tls != NULL && listener.unix_path == NULL;
    log_event(LOG_INFO, "metrics", "address", listener.address, "tls", has_tls ? "yes" : "no",
              NULL);
    *ret_exporter = exporter;
    return true;
}

void exporter_stop(struct exporter *exporter)
{
    if (exporter == NULL) {
        return;
    }
    http_thread_stop(exporter->thread);
    listener_close(&exporter->listener);
    free(exporter);
}
