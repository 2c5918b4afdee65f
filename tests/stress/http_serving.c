#include "http_serving.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "http_server.h"
#include "listener.h"
#include "stress.h"
#include "wake.h"

#define CONNECTIONS 64
#define LINE_SIZE 32
#define GRACE_NS INT64_C(20000000000)

/* A request. From `queued` to its answer it is in one of the two queues. */
struct job {
    struct http_exchange *x;
    struct str body;
    bool is_counted;
    bool has_line; /* the next line can be pulled */
    bool queued;
    size_t line;
    struct job *next;
};

struct job_queue {
    pthread_mutex_t lock;
    struct job *first;
    struct wake wake;
};

struct serving {
    struct listener listener;
    struct http_server *server;
    struct http_watched watched;
    struct job_queue asked, done;
    pthread_t thread, answerer;
    struct wake stop;
    struct http_watched stop_watched;
    uint64_t n_begun, n_ended;
};

static void queue_init(struct job_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    wake_init(&queue->wake);
}

static void queue_fini(struct job_queue *queue)
{
    CHECK(queue->first == NULL, "nothing is left in a queue");
    pthread_mutex_destroy(&queue->lock);
    wake_fini(&queue->wake);
}

static void queue_put(struct job_queue *queue, struct job *job)
{
    pthread_mutex_lock(&queue->lock);
    job->next = queue->first;
    queue->first = job;
    pthread_mutex_unlock(&queue->lock);
    wake_set(&queue->wake);
}

static struct job *queue_take(struct job_queue *queue)
{
    wake_clear(&queue->wake);
    pthread_mutex_lock(&queue->lock);
    struct job *first = MOVE(queue->first);
    pthread_mutex_unlock(&queue->lock);
    return first;
}

/* ---- The other thread ---- */

static void *answer_later(void *user)
{
    struct serving *serving = user;
    while (!wake_stopping(&serving->asked.wake)) {
        wake_wait(&serving->asked.wake, -1, 1000);
        struct job *following;
        for (struct job *job = queue_take(&serving->asked); job != NULL; job = following) {
            following = job->next;
            queue_put(&serving->done, job);
        }
    }
    return NULL;
}

static void ask(struct serving *serving, struct job *job)
{
    job->queued = true;
    queue_put(&serving->asked, job);
}

/* ---- Handlers ---- */

static void answer(struct http_exchange *x, const char *body, size_t n)
{
    http_answer(x, &(struct http_answer){.status = 200, .body = body, .n_body = n});
}

static void begin(void *user, struct http_exchange *x)
{
    struct serving *serving = user;
    struct job *job = mem_zalloc(sizeof *job);
    *job = (struct job){.x = x};
    x->user = job;
    serving->n_begun++;
}

static void take_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    struct job *job = x->user;
    (void)user;
    str_add(&job->body, bytes, n);
}

static void run(void *user, struct http_exchange *x)
{
    struct serving *serving = user;
    struct job *job = x->user;
    const char *target = x->head.target;
    if (strcmp(target, "/later") == 0) {
        ask(serving, job);
    } else if (strncmp(target, "/count?", 7) == 0) {
        job->is_counted = x->lasts = true;
        job->line = (size_t)atoi(target + 7);
        http_answer(x, &(struct http_answer){.status = 200, .is_pulled = true});
    } else {
        answer(x, str_text(&job->body), job->body.len);
    }
}

static ssize_t read_line(void *user, struct http_exchange *x, char *bytes, size_t max)
{
    struct job *job = x->user;
    if (job->line == COUNT_LINES) {
        return HTTP_READ_END;
    }
    if (!job->has_line) {
        if (!job->queued) {
            ask(user, job);
        }
        return HTTP_READ_PENDING;
    }
    job->has_line = false;
    return snprintf(bytes, max, "%zu\n", job->line++);
}

static bool gone(void *user, struct http_exchange *x)
{
    const struct job *job = x->user;
    (void)user;
    return !job->queued;
}

static void end(void *user, struct http_exchange *x)
{
    struct serving *serving = user;
    struct job *job = x->user;
    CHECK(!job->queued, "it is in no queue");
    serving->n_ended++;
    str_fini(&job->body);
    free(job);
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    (void)user;
    (void)x;
    str_add_text(body, refusal->why);
    return "text/plain";
}

static const struct http_handlers handlers = {.begin = begin,
                                              .body = take_body,
                                              .run = run,
                                              .read = read_line,
                                              .gone = gone,
                                              .end = end,
                                              .refuse = refuse};

/* ---- The serving thread ---- */

static void turn(struct serving *serving, int64_t until_ns)
{
    struct job *following;
    http_server_poll(serving->server, until_ns);
    for (struct job *job = queue_take(&serving->done); job != NULL; job = following) {
        following = job->next;
        job->queued = false;
        job->has_line = job->is_counted;
        if (job->is_counted) {
            http_wake(job->x);
        } else {
            answer(job->x, "", 0);
        }
    }
    http_server_run(serving->server);
}

static void *serve(void *user)
{
    struct serving *serving = user;
    while (!wake_stopping(&serving->stop)) {
        turn(serving, -1);
    }
    http_server_unwatch(serving->server, &serving->stop_watched);
    http_server_stop(serving->server);
    int64_t until_ns = clock_monotonic_ns() + GRACE_NS;
    while (!http_server_is_idle(serving->server)) {
        CHECK(clock_monotonic_ns() < until_ns, "it comes to its end");
        turn(serving, until_ns);
    }
    return NULL;
}

struct serving *serving_start(void)
{
    struct serving *serving = mem_zalloc(sizeof *serving);
    struct status st;
    CHECK(listener_open("127.0.0.1:0", &serving->listener, &st), "%s", st.message);
    queue_init(&serving->asked);
    queue_init(&serving->done);
    wake_init(&serving->stop);
    const struct http_settings settings = {.listener = &serving->listener,
                                           .max_connections = CONNECTIONS,
                                           .linger_ms = 200,
                                           .handlers = &handlers,
                                           .user = serving};
    CHECK(http_server_new(&settings, &serving->server, &st), "%s", st.message);
    serving->watched.fd = serving->done.wake.fd;
    serving->stop_watched.fd = serving->stop.fd;
    CHECK(http_server_watch(serving->server, &serving->watched), "cannot watch");
    CHECK(http_server_watch(serving->server, &serving->stop_watched), "cannot watch");
    CHECK(pthread_create(&serving->thread, NULL, serve, serving) == 0, "no thread");
    CHECK(pthread_create(&serving->answerer, NULL, answer_later, serving) == 0, "no thread");
    return serving;
}

int serving_port(const struct serving *serving)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    CHECK(getsockname(serving->listener.fds[0], (struct sockaddr *)&name, &size) == 0, "no name");
    return ntohs(name.sin_port);
}

uint64_t serving_stop(struct serving *serving)
{
    wake_stop(&serving->stop);
    pthread_join(serving->thread, NULL);
    wake_stop(&serving->asked.wake);
    pthread_join(serving->answerer, NULL);
    listener_close(&serving->listener);
    http_server_free(serving->server);
    CHECK(serving->n_begun == serving->n_ended, "%lu began, %lu ended", serving->n_begun,
          serving->n_ended);
    uint64_t n = serving->n_ended;
    queue_fini(&serving->asked);
    queue_fini(&serving->done);
    wake_fini(&serving->stop);
    free(serving);
    return n;
}
