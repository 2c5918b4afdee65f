#include "http_thread.h"

#include <pthread.h>

#include "mem.h"
#include "wake.h"

struct http_thread {
    struct http_server *server;
    struct wake wake;
    struct http_watched wake_watch;
    pthread_t thread;
    bool started;
};

static void *serve(void *user)
{
    struct http_thread *thread = user;
    while (!wake_stopping(&thread->wake)) {
        http_server_poll(thread->server, -1);
        http_server_run(thread->server);
    }
    return NULL;
}

static bool start(struct http_thread *thread, struct status *st)
{
    thread->wake_watch.fd = thread->wake.fd;
    thread->started = http_server_watch(thread->server, &thread->wake_watch) &&
                      pthread_create(&thread->thread, NULL, serve, thread) == 0;
    return thread->started || status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE",
                                         "cannot start the thread of an HTTP server");
}

bool http_thread_start(const struct http_settings *settings, struct http_thread **ret_thread,
                       struct status *st)
{
    struct http_thread *thread = mem_zalloc(sizeof *thread);
    wake_init(&thread->wake);
    if (!http_server_new(settings, &thread->server, st) || !start(thread, st)) {
        http_thread_stop(thread);
        return false;
    }
    *ret_thread = thread;
    return true;
}

void http_thread_stop(struct http_thread *thread)
{
    if (thread == NULL) {
        return;
    }
    if (thread->started) {
        wake_stop(&thread->wake);
        pthread_join(thread->thread, NULL);
    }
    http_server_free(thread->server);
    wake_fini(&thread->wake);
    free(thread);
}
