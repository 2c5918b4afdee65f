#include "sse_catch_up.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mirror_config.h"
#include "payload.h"
#include "texts.h"
#include "violations.h"

#define OPEN_MAX_CALLS 64
#define AHEAD_BYTES (256u << 10)    /* of one */
#define AHEAD_BYTES_ALL (64u << 20) /* of all */
#define PROGRESS_NS 100000000       /* how soon a quiet watch says that it is complete */
#define RESPONSE_KIND(name) CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_##name

struct sse_catch_ups {
    int fd;
    size_t n_open;  /* HTTP thread */
    size_t n_bytes; /* in pieces that owners have; HTTP thread */
    pthread_mutex_t lock;
    TAILQ_HEAD(, sse_catch_up) news; /* under lock */
};

struct sse_catch_up {
    struct sse_catch_ups *catch_ups;
    struct registry_watch watch;
    void *owner; /* HTTP thread; NULL once it is closed */
    /* HTTP thread. Valid until end_watch returns: while the lock is held and `unread.ended` is
     * false. */
    struct rpc_client_call *call;

    /* The client's thread. */
    size_t n_held;       /* bytes of a commit that has not come to its end */
    bool is_too_large;   /* that is too much */
    struct status large; /* if so */

    /* Under catch_ups->lock. */
    struct sse_catch_up_news unread;
    size_t n_bytes; /* in unread */
    bool has_news;
    TAILQ_ENTRY(sse_catch_up) in_news;
};

struct sse_catch_ups *sse_catch_ups_new(void)
{
    struct sse_catch_ups *catch_ups = mem_zalloc(sizeof *catch_ups);
    catch_ups->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (catch_ups->fd < 0) {
        abort();
    }
    pthread_mutex_init(&catch_ups->lock, NULL);
    TAILQ_INIT(&catch_ups->news);
    return catch_ups;
}

void sse_catch_ups_free(struct sse_catch_ups *catch_ups)
{
    if (catch_ups != NULL) {
        assert(catch_ups->n_open == 0);
        close(catch_ups->fd);
        pthread_mutex_destroy(&catch_ups->lock);
        free(catch_ups);
    }
}

int sse_catch_ups_fd(const struct sse_catch_ups *catch_ups)
{
    return catch_ups->fd;
}

bool sse_catch_ups_has_room(const struct sse_catch_ups *catch_ups)
{
    return catch_ups->n_open < OPEN_MAX_CALLS && catch_ups->n_bytes < AHEAD_BYTES_ALL;
}

size_t sse_catch_ups_open(const struct sse_catch_ups *catch_ups)
{
    return catch_ups->n_open;
}

void sse_piece_free(struct sse_catch_ups *catch_ups, struct sse_piece *piece)
{
    catch_ups->n_bytes -= piece->text->len;
    buf_unref(piece->text);
    free(piece);
}

/* ---- The client's thread ---- */

/* Under the lock. */
static void tell(struct sse_catch_up *catch_up)
{
    struct sse_catch_ups *catch_ups = catch_up->catch_ups;
    if (!catch_up->has_news) {
        catch_up->has_news = true;
        if (TAILQ_EMPTY(&catch_ups->news)) {
            eventfd_write(catch_ups->fd, 1);
        }
        TAILQ_INSERT_TAIL(&catch_ups->news, catch_up, in_news);
    }
}

static struct buf *text_of(const Confreg__V1__Event *event)
{
    struct json_text payload = {0};
    if (event->config != NULL) {
        payload = payload_of_config(event->config);
    }
    const struct sse_text text = {
        .name = sse_name((int)event->kind, event->previous_version != 0),
        .environment = event->environment,
        .service_name = event->service_name,
        .version = event->version,
        .head_version = event->head_version,
        .time_us = mirror_time_us(event->commit_time),
        .created_by = texts_author_named(event->created_by, event->created_by_empty),
        .comment = sse_comment((int)event->kind, event->comment),
        .data = payload.len > 0 ? payload.data : NULL,
        .n_data = payload.len,
    };
    return text.name == NULL ? NULL : sse_text_render(&text);
}

/* Marks the last event of each commit; of a commit that continues in the next response it is not
 * known yet. */
static void add_events(struct sse_pieces *pieces, const Confreg__V1__WatchResponse *response,
                       size_t *ret_bytes)
{
    struct sse_piece *before = NULL;
    for (size_t i = 0; i < response->n_events; i++) {
        struct buf *text = text_of(response->events[i]);
        if (text == NULL) {
            continue;
        }
        struct sse_piece *piece = mem_alloc(sizeof *piece);
        *piece = (struct sse_piece){.text = text, .revision = response->events[i]->revision};
        if (before != NULL) {
            before->ends_commit = before->revision != piece->revision;
        }
        STAILQ_INSERT_TAIL(pieces, piece, next);
        *ret_bytes += text->len;
        before = piece;
    }
    if (before != NULL) {
        before->ends_commit = !response->more;
    }
}

static bool take_response(struct registry_watch *watch, Confreg__V1__WatchResponse *response)
{
    struct sse_catch_up *catch_up = CONTAINER_OF(watch, struct sse_catch_up, watch);
    struct sse_pieces pieces = STAILQ_HEAD_INITIALIZER(pieces);
    size_t n_bytes = 0;
    bool sound = response->header != NULL;
    catch_up->is_too_large = !registry_watch_hold(watch, &catch_up->n_held, &catch_up->large);
    catch_up->n_held = response->more ? catch_up->n_held : 0;
    add_events(&pieces, response, &n_bytes);
    pthread_mutex_lock(&catch_up->catch_ups->lock);
    STAILQ_CONCAT(&catch_up->unread.pieces, &pieces);
    catch_up->n_bytes += n_bytes;
    catch_up->unread.started = true;
    if (sound && !response->more) {
        catch_up->unread.position = response->header->revision;
    }
    bool on =
        sound && !catch_up->is_too_large && (response->more || catch_up->n_bytes < AHEAD_BYTES);
    tell(catch_up);
    pthread_mutex_unlock(&catch_up->catch_ups->lock);
    confreg__v1__watch_response__free_unpacked(response, NULL);
    return on;
}

static void end_watch(struct registry_watch *watch, const struct status *st)
{
    struct sse_catch_up *catch_up = CONTAINER_OF(watch, struct sse_catch_up, watch);
    st = catch_up->is_too_large ? &catch_up->large : st;
    pthread_mutex_lock(&catch_up->catch_ups->lock);
    catch_up->unread.ended = true;
    catch_up->unread.failed = st != NULL && st->code != STATUS_CANCELLED;
    if (catch_up->unread.failed) {
        catch_up->unread.st = *st;
        violations_drop(&catch_up->unread.st); /* they last until this returns */
    }
    tell(catch_up);
    pthread_mutex_unlock(&catch_up->catch_ups->lock);
}

/* ---- The HTTP thread ---- */

struct sse_catch_up *sse_catch_up_start(struct sse_catch_ups *catch_ups,
                                        struct registry_client *client,
                                        const struct registry_caller *caller, const char *epoch,
                                        uint64_t position, const struct mirror_selector *selector,
                                        void *owner)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    Confreg__V1__Selector selected = CONFREG__V1__SELECTOR__INIT;
    Confreg__V1__Selector *selectors[] = {&selected};
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;
    selected.environment = registry_text(selector->environment);
    selected.service_name = registry_text(selector->service_name);
    selected.service_name_prefix = registry_text(selector->service_name_prefix);
    interval.nanos = PROGRESS_NS;
    request.selectors = selectors;
    request.n_selectors = 1;
    request.start_revision = position + 1;
    request.epoch = registry_text(epoch);
    request.progress_interval = &interval;
    request.include_large = true;

    struct sse_catch_up *catch_up = mem_zalloc(sizeof *catch_up);
    catch_up->catch_ups = catch_ups;
    catch_up->watch = (struct registry_watch){.response = take_response, .done = end_watch};
    catch_up->owner = owner;
    catch_up->unread.position = position;
    STAILQ_INIT(&catch_up->unread.pieces);
    catch_ups->n_open++;
    catch_up->call = registry_client_watch_open(client, caller, &request, false, &catch_up->watch);
    return catch_up;
}

void sse_catch_up_take(struct sse_catch_up *catch_up, struct sse_catch_up_news *ret_news)
{
    struct sse_catch_up_news *unread = &catch_up->unread;
    pthread_mutex_lock(&catch_up->catch_ups->lock);
    STAILQ_CONCAT(&ret_news->pieces, &unread->pieces);
    catch_up->catch_ups->n_bytes += catch_up->n_bytes;
    catch_up->n_bytes = 0;
    ret_news->position = unread->position;
    ret_news->started = unread->started;
    ret_news->ended = unread->ended;
    ret_news->failed = unread->failed;
    ret_news->st = unread->st;
    pthread_mutex_unlock(&catch_up->catch_ups->lock);
}

/* Ended and closed. */
static void dispose(struct sse_catch_up *catch_up)
{
    struct sse_catch_ups *catch_ups = catch_up->catch_ups;
    struct sse_piece *piece;
    catch_ups->n_bytes += catch_up->n_bytes;
    while ((piece = STAILQ_FIRST(&catch_up->unread.pieces)) != NULL) {
        STAILQ_REMOVE_HEAD(&catch_up->unread.pieces, next);
        sse_piece_free(catch_ups, piece);
    }
    catch_ups->n_open--;
    free(catch_up);
}

void sse_catch_up_close(struct sse_catch_up *catch_up)
{
    struct sse_catch_ups *catch_ups = catch_up->catch_ups;
    catch_up->owner = NULL;
    pthread_mutex_lock(&catch_ups->lock);
    bool ended = catch_up->unread.ended;
    if (ended && catch_up->has_news) {
        TAILQ_REMOVE(&catch_ups->news, catch_up, in_news);
    }
    if (!ended) {
        rpc_client_cancel(catch_up->call);
    }
    pthread_mutex_unlock(&catch_ups->lock);
    if (ended) {
        dispose(catch_up);
    }
}

static struct sse_catch_up *next_news(struct sse_catch_ups *catch_ups, bool *ret_ended)
{
    pthread_mutex_lock(&catch_ups->lock);
    struct sse_catch_up *catch_up = TAILQ_FIRST(&catch_ups->news);
    if (catch_up != NULL) {
        TAILQ_REMOVE(&catch_ups->news, catch_up, in_news);
        catch_up->has_news = false;
        *ret_ended = catch_up->unread.ended;
    }
    pthread_mutex_unlock(&catch_ups->lock);
    return catch_up;
}

void sse_catch_ups_run(struct sse_catch_ups *catch_ups, void (*news)(void *owner))
{
    eventfd_t count;
    struct sse_catch_up *catch_up;
    bool ended = false;
    if (eventfd_read(catch_ups->fd, &count) != 0) {
        return;
    }
    while ((catch_up = next_news(catch_ups, &ended)) != NULL) {
        if (catch_up->owner != NULL) {
            news(catch_up->owner);
        } else if (ended) {
            dispose(catch_up);
        }
    }
}
