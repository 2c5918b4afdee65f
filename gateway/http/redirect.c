#include "redirect.h"

#include <string.h>
#include <strings.h>

#include "http_thread.h"
#include "listener.h"
#include "log.h"
#include "mem.h"

#define CONNECTIONS 256u
#define PATIENCE_MS 10000
#define HTTPS_PORT 443

struct redirect {
    struct listener listener;
    struct http_thread *thread;
    int port;
};

/* ---- The URL ---- */

/* The length of a host without its port: "[::1]" of "[::1]:80". */
static size_t length_of_host(const char *authority, size_t n)
{
    size_t at = authority[0] == '[' ? strcspn(authority, "]") : 0;
    const char *colon = at < n ? memchr(authority + at, ':', n - at) : NULL;
    return colon == NULL ? n : (size_t)(colon - authority);
}

/* Appends the URL of a request with https and that port. target: as in the request line; host: the
 * field Host, NULL: none. False: the request names no host. */
static bool redirect_url(const char *target, const char *host, int port, struct str *url)
{
    size_t n = host == NULL ? 0 : strlen(host);
    if (strncasecmp(target, "http://", 7) ==
        0) { /* it counts, whatever Host is (RFC 9112, 3.2.2) */
        host = target + 7;
        n = strcspn(host, "/?#");
        target = host + n;
    }
    if (n == 0) {
        return false;
    }
    str_add_text(url, "https://");
    str_add(url, host, length_of_host(host, n));
    if (port != HTTPS_PORT) {
        str_addf(url, ":%d", port);
    }
    str_add_text(url, target[0] == '/' ? "" : "/");
    str_add_text(url, strcmp(target, "*") == 0 ? "" : target);
    return true;
}

/* ---- Requests ---- */

static void begin(void *user, struct http_exchange *x)
{
    (void)user;
    (void)x;
}

static void skip_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    (void)user;
    (void)x;
    (void)bytes;
    (void)n;
}

static const char *host_of(const struct http_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        if (strcasecmp(head->fields[i].name, "Host") == 0) {
            return head->fields[i].value;
        }
    }
    return NULL;
}

static void run(void *user, struct http_exchange *x)
{
    const struct redirect *redirect = user;
    AUTO_STR url = {0};
    if (!redirect_url(x->head.target, host_of(&x->head), redirect->port, &url)) {
        http_answer(x, &(struct http_answer){.status = 400});
        return;
    }
    const struct http_field location = {"Location", str_text(&url)};
    http_answer(x, &(struct http_answer){.status = 308, .fields = &location, .n_fields = 1});
}

static void end(void *user, struct http_exchange *x)
{
    (void)user;
    (void)x;
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    (void)user;
    (void)x;
    str_addf(body, "%s\n", refusal->why);
    return "text/plain; charset=utf-8";
}

/* Every answer is complete when `run` returns, so `read` and `gone` are never called. */
static const struct http_handlers handlers = {
    .begin = begin, .body = skip_body, .run = run, .end = end, .refuse = refuse};

/* ---- Start and end ---- */

bool redirect_start(const char *address, int port, struct redirect **ret_redirect,
                    struct status *st)
{
    struct listener listener;
    if (!listener_open(address, &listener, st)) {
        return status_context(st, "--redirect-http");
    }
    struct redirect *redirect = mem_zalloc(sizeof *redirect);
    *redirect = (struct redirect){.listener = listener, .port = port};
    const struct http_settings settings = {.listener = &redirect->listener,
                                           .max_connections = CONNECTIONS,
                                           .patience_ms = PATIENCE_MS,
                                           .handlers = &handlers,
                                           .user = redirect};
    if (!http_thread_start(&settings, &redirect->thread, st)) {
        redirect_stop(redirect);
        return false;
    }
    log_event(LOG_INFO, "redirecting", "address", listener.address, NULL);
    *ret_redirect = redirect;
    return true;
}

void redirect_stop(struct redirect *redirect)
{
    if (redirect != NULL) {
        http_thread_stop(redirect->thread);
        listener_close(&redirect->listener);
        free(redirect);
    }
}
