#include "sse_streams.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "etag.h"
#include "http_server.h"
#include "identities.h"
#include "metrics.h"
#include "sse_catch_up.h"
#include "sse_index.h"
#include "sse_window.h"
#include "upstream.h"

#define WINDOW_BYTES (16u << 20)
#define LINE_SIZE 96
#define ROOM_AGAIN_NS                                                                              \
    50000000 /* how often to look for room for a catch-up: no event tells of it                    \
              */

enum sse_phase {
    PHASE_PENDING, /* the server has not said yet whether it knows the position */
    PHASE_BEHIND,  /* a watch of the server delivers what has left the window */
    PHASE_LIVE,    /* reads the window */
    PHASE_OVER,    /* ends when all that was received for it is sent */
};

struct sse_stream {
    struct sse_streams *streams;
    struct request *request;
    struct mirror_selector selector;
    struct identity *identity; /* of the request */
    enum view_extent extent;   /* what the caller may read of the selection */
    uint64_t rights; /* the digest of that when it began; void once it does not fit any more */
    bool waits_for_rights; /* they are not known at the moment */
    char epoch[MIRROR_EPOCH_SIZE];
    enum sse_phase phase;
    uint64_t position; /* of the last commit that the client has, or that it does not want */
    uint64_t next;     /* in the window; where live */
    bool paused;       /* has nothing to send; front_resume has it read again */
    /* Listens while it is live and paused at the end of the window. Nothing between `next` and the
     * end is selected then; so `position` and `next` are brought up to date by wake. */
    struct sse_member member;
    TAILQ_ENTRY(sse_stream) in_all;

    /* The data being sent: first the rest of a text, then the rest of a line. */
    struct buf *text;
    bool is_shared; /* the text: it is that of an event in the window */
    size_t n_sent;  /* of the text */
    char line[LINE_SIZE];
    size_t line_at, line_end;

    struct mirror_list snapshot; /* of which `shown` have been sent */
    size_t shown;
    bool ends_snapshot; /* its mark is still to be sent */

    struct sse_catch_up *catch_up;
    struct sse_pieces pieces;
    uint64_t caught_up; /* the position behind the pieces */
    bool waits_for_room;

    int64_t silent_since_ns;
    TAILQ_ENTRY(sse_stream) in_silence; /* those that were silent longest first */
    bool is_due;
    TAILQ_ENTRY(sse_stream) in_due;
};

TAILQ_HEAD(stream_list, sse_stream);

struct sse_streams {
    struct upstream *upstream; /* borrowed */
    int64_t heartbeat_ns;
    struct sse_window window;
    uint64_t committed; /* the newest commit that is in the window, or was */
    struct sse_index *index;
    struct sse_catch_ups *catch_ups;
    struct stream_list all, silence, due;
    size_t n;
    struct metric n_opened, n_closed; /* streams */
    struct metric n_sent;             /* events */
    struct metric n_visited;          /* streams that were looked at because of an event */
};

struct sse_streams *sse_streams_new(struct upstream *upstream, int64_t heartbeat_ms)
{
    struct sse_streams *streams = mem_zalloc(sizeof *streams);
    streams->upstream = upstream;
    streams->heartbeat_ns = heartbeat_ms * 1000000;
    streams->window.max_bytes = WINDOW_BYTES;
    streams->index = sse_index_new();
    streams->catch_ups = sse_catch_ups_new();
    TAILQ_INIT(&streams->all);
    TAILQ_INIT(&streams->silence);
    TAILQ_INIT(&streams->due);
    return streams;
}

void sse_streams_free(struct sse_streams *streams)
{
    if (streams != NULL) {
        assert(streams->n == 0);
        sse_window_fini(&streams->window);
        sse_index_free(streams->index);
        sse_catch_ups_free(streams->catch_ups);
        free(streams);
    }
}

int sse_streams_fd(const struct sse_streams *streams)
{
    return sse_catch_ups_fd(streams->catch_ups);
}

size_t sse_streams_watches(const struct sse_streams *streams)
{
    return sse_catch_ups_open(streams->catch_ups);
}

void sse_streams_count(const struct sse_streams *streams, struct sse_counts *ret_counts)
{
    uint64_t closed = metric_value(&streams->n_closed); /* first: what was closed was opened */
    atomic_thread_fence(memory_order_acquire);
    ret_counts->open = metric_value(&streams->n_opened) - closed;
    ret_counts->sent = metric_value(&streams->n_sent);
    ret_counts->visited = metric_value(&streams->n_visited);
}

/* sse_streams_run will look at it. */
static void make_due(struct sse_stream *stream)
{
    if (!stream->is_due) {
        stream->is_due = true;
        TAILQ_INSERT_TAIL(&stream->streams->due, stream, in_due);
    }
}

/* Ends its listening, and moves it to the event of that number: it selects none before. */
static void wake(struct sse_stream *stream, uint64_t number)
{
    if (stream->member.listens) {
        uint64_t committed = stream->streams->committed;
        sse_index_ignore(&stream->member);
        stream->next = number;
        stream->position = stream->position > committed ? stream->position : committed;
    }
}

/* Of a config that is selected. */
static bool may_read(const struct sse_stream *stream, const char *environment, const char *service)
{
    return stream->extent == VIEW_ALL || identity_may_read(stream->identity, environment, service);
}

static bool selects(const struct sse_stream *stream, const struct sse_event *event)
{
    const struct mirror_selector *s = &stream->selector;
    return event->is_told && may_read(stream, event->environment, event->service_name) &&
           (s->environment == NULL || strcmp(s->environment, event->environment) == 0) &&
           (s->service_name == NULL || strcmp(s->service_name, event->service_name) == 0) &&
           (s->service_name_prefix == NULL || strncmp(s->service_name_prefix, event->service_name,
                                                      strlen(s->service_name_prefix)) == 0);
}

/* ---- What is sent ---- */

/* Sends `before`, then an id from which a client can resume. */
static void send_id(struct sse_stream *stream, const char *before, uint64_t revision)
{
    char text[EVENT_ID_SIZE];
    struct event_id id = {.last.revision = revision, .rights = stream->rights};
    memcpy(id.last.epoch, stream->epoch, sizeof id.last.epoch);
    event_id_format(&id, text);
    int n = snprintf(stream->line, sizeof stream->line, "%sid: %s\n\n", before, text);
    assert(n > 0 && (size_t)n < sizeof stream->line);
    stream->line_at = 0;
    stream->line_end = (size_t)n;
}

static void send_text(struct sse_stream *stream, const char *line)
{
    stream->line_at = 0;
    stream->line_end = (size_t)snprintf(stream->line, sizeof stream->line, "%s", line);
}

/* Sends the text of an event (moved), and after the last event of a commit the commit's id. */
static void send_event(struct sse_stream *stream, struct buf *text, uint64_t revision,
                       bool ends_commit)
{
    assert(stream->text == NULL && stream->line_at == stream->line_end &&
           "one thing is sent after the other");
    stream->text = text;
    stream->is_shared = false;
    stream->n_sent = 0;
    metric_add(&stream->streams->n_sent, 1);
    if (ends_commit) {
        send_id(stream, "", revision);
    } else {
        send_text(stream, "\n");
    }
}

/* ---- From the snapshot ---- */

static struct buf *snapshot_text(const struct mirror_config *config)
{
    const struct sse_text event = {
        .name = "snapshot",
        .environment = config->environment,
        .service_name = config->service_name,
        .version = config->version,
        .head_version = config->version,
        .time_us = config->create_time_us,
        .created_by = config->created_by,
        .comment = config->comment,
        .data = config->data,
        .n_data = config->n_data,
    };
    return sse_text_render(&event);
}

static bool take_from_snapshot(struct sse_stream *stream)
{
    while (stream->shown < stream->snapshot.n) {
        struct mirror_config **config = &stream->snapshot.configs[stream->shown++];
        bool sent = may_read(stream, (*config)->environment, (*config)->service_name);
        if (sent) {
            send_event(stream, snapshot_text(*config), 0, false);
        }
        mirror_config_unref(*config);
        *config = NULL;
        if (sent) {
            return true;
        }
    }
    if (stream->ends_snapshot) {
        stream->ends_snapshot = false;
        mirror_list_fini(&stream->snapshot);
        send_id(stream, "event: snapshot_end\ndata: {}\n", stream->position);
        return true;
    }
    return false;
}

/* ---- From the window ---- */

/* Whether no later change of the same commit is selected. */
static bool is_last_selected(const struct sse_stream *stream, uint64_t number)
{
    const struct sse_window *window = &stream->streams->window;
    while (!sse_window_at(window, number)->ends_commit && ++number < window->next) {
        if (selects(stream, sse_window_at(window, number))) {
            return false;
        }
    }
    return true;
}

static void start_watch(struct sse_stream *stream)
{
    struct sse_streams *streams = stream->streams;
    struct registry_caller caller;
    bool is_for_caller = identity_caller(stream->identity, stream->request->peer, &caller);
    stream->waits_for_room = !sse_catch_ups_has_room(streams->catch_ups);
    if (stream->waits_for_room) {
        make_due(stream);
    } else {
        stream->catch_up = sse_catch_up_start(streams->catch_ups, streams->upstream->client,
                                              is_for_caller ? &caller : NULL, stream->epoch,
                                              stream->caught_up, &stream->selector, stream);
    }
}

static void start_behind(struct sse_stream *stream)
{
    stream->phase = PHASE_BEHIND;
    stream->caught_up = stream->position;
    start_watch(stream);
}

/* Passes over an event; returns whether it is sent. */
static bool pass_event(struct sse_stream *stream, struct sse_event *event)
{
    bool sent = event->revision > stream->position && selects(stream, event);
    if (sent) {
        send_event(stream, sse_event_text(event), event->revision,
                   is_last_selected(stream, stream->next));
        stream->is_shared = true;
    }
    if (event->ends_commit && event->revision > stream->position) {
        stream->position = event->revision;
    }
    stream->next++;
    return sent;
}

static bool take_from_window(struct sse_stream *stream)
{
    const struct sse_window *window = &stream->streams->window;
    if (stream->next < window->first) {
        start_behind(stream); /* its position has left the window */
        return false;
    }
    while (stream->next < window->next) {
        if (pass_event(stream, sse_window_at(window, stream->next))) {
            return true;
        }
    }
    return false;
}

static void go_live(struct sse_stream *stream)
{
    stream->phase = PHASE_LIVE;
    stream->next = sse_window_seek(&stream->streams->window, stream->position);
}

/* Whether the window holds all commits after a position, except those still to come. */
static bool is_in_window(const struct sse_stream *stream, uint64_t position)
{
    const struct sse_window *window = &stream->streams->window;
    return window->is_set && position >= window->floor;
}

/* ---- From a watch of the server ---- */

static void close_catch_up(struct sse_stream *stream)
{
    if (stream->catch_up != NULL) {
        sse_catch_up_close(MOVE(stream->catch_up));
    }
}

static bool take_piece(struct sse_stream *stream)
{
    struct sse_piece *piece = STAILQ_FIRST(&stream->pieces);
    if (piece == NULL) {
        return false;
    }
    STAILQ_REMOVE_HEAD(&stream->pieces, next);
    send_event(stream, buf_ref(piece->text), piece->revision, piece->ends_commit);
    if (piece->ends_commit) {
        stream->position = piece->revision;
    }
    sse_piece_free(stream->streams->catch_ups, piece);
    return true;
}

/* All pieces have been sent: switches to the window, or starts another catch-up. */
static void go_on(struct sse_stream *stream)
{
    stream->position = stream->caught_up;
    if (is_in_window(stream, stream->position)) {
        close_catch_up(stream);
        go_live(stream);
    } else if (stream->catch_up == NULL && !stream->waits_for_room) {
        start_watch(stream);
    }
}

static bool take_from_watch(struct sse_stream *stream)
{
    if (take_piece(stream)) {
        return true;
    }
    if (stream->phase == PHASE_BEHIND) {
        go_on(stream);
    }
    return stream->phase == PHASE_LIVE && take_from_window(stream);
}

/* ---- The beginning and the end of a stream ---- */

void sse_stream_refuse_position(struct request *r, const struct status *st,
                                const struct mirror_view *view)
{
    struct status told = *st;
    told.n_info = st->n_info < STATUS_INFO_MAX - 2 ? st->n_info : STATUS_INFO_MAX - 2;
    status_add_info(&told, "epoch", view->epoch);
    status_add_number(&told, "revision", view->revision);
    request_refuse_status(r, 410, &told, "%s", st->message);
}

static ssize_t read_stream(void *user, char *bytes, size_t max);

static void begin(struct sse_stream *stream)
{
    struct request *r = stream->request;
    r->response.content_type = "text/event-stream; charset=utf-8";
    request_add_header(r, "Cache-Control", "no-store");
    request_add_header(r, "X-Accel-Buffering", "no"); /* a proxy that collects would hold events */
    r->response.pull.read = read_stream;
    if (stream->ends_snapshot) {
        send_text(stream, "retry: 1000\n\n"); /* there is no id yet to resume from */
    } else {
        send_id(stream, "retry: 1000\n", stream->position);
    }
    request_answer(r, 200);
}

static void refuse(struct sse_stream *stream, const struct status *st)
{
    struct mirror_view view = {0};
    bool lost = st->code == STATUS_FAILED_PRECONDITION || st->code == STATUS_OUT_OF_RANGE;
    stream->phase = PHASE_OVER;
    if (lost && stream->streams->upstream->mirror != NULL) {
        mirror_look(stream->streams->upstream->mirror, &view);
        sse_stream_refuse_position(stream->request, st, &view);
    } else {
        errors_answer(stream->request, st);
    }
}

/* The stream's catch-up has received something, or has ended. */
static void take_news(void *owner)
{
    struct sse_stream *stream = owner;
    struct sse_catch_up_news news = {.pieces = STAILQ_HEAD_INITIALIZER(news.pieces)};
    sse_catch_up_take(stream->catch_up, &news);
    STAILQ_CONCAT(&stream->pieces, &news.pieces);
    stream->caught_up = news.position;
    if (news.ended) {
        close_catch_up(stream);
    }
    if (stream->phase == PHASE_PENDING && news.started) {
        stream->phase = PHASE_BEHIND;
        begin(stream);
    } else if (stream->phase == PHASE_PENDING && news.failed) {
        refuse(stream, &news.st);
    } else if (news.failed) {
        stream->phase = PHASE_OVER; /* the client reconnects with its last id */
    }
    make_due(stream);
}

static void drop_pieces(struct sse_stream *stream)
{
    struct sse_piece *piece;
    while ((piece = STAILQ_FIRST(&stream->pieces)) != NULL) {
        STAILQ_REMOVE_HEAD(&stream->pieces, next);
        sse_piece_free(stream->streams->catch_ups, piece);
    }
}

static void free_stream(void *user)
{
    struct sse_stream *stream = user;
    struct sse_streams *streams = stream->streams;
    close_catch_up(stream);
    drop_pieces(stream);
    identity_unwatch(stream->identity);
    identity_unref(stream->identity);
    mirror_list_fini(&stream->snapshot);
    buf_unref(stream->text);
    if (stream->is_due) {
        TAILQ_REMOVE(&streams->due, stream, in_due);
    }
    sse_index_leave(streams->index, &stream->member);
    TAILQ_REMOVE(&streams->all, stream, in_all);
    TAILQ_REMOVE(&streams->silence, stream, in_silence);
    streams->n--;
    metric_add(&streams->n_closed, 1);
    free(stream);
}

static struct sse_stream *new_stream(struct request *r, const struct sse_stream_start *start)
{
    struct sse_streams *streams = r->gateway->streams;
    struct sse_stream *stream = mem_zalloc(sizeof *stream);
    *stream = (struct sse_stream){
        .streams = streams,
        .request = r,
        .selector = start->selector,
        .identity = identity_ref(r->identity),
        .extent = identity_view(r->identity, &start->selector).extent,
        .rights = identity_digest(r->identity, &start->selector),
        .position = start->position,
        .caught_up = start->position,
        .silent_since_ns = clock_monotonic_ns(),
        .ends_snapshot = start->snapshot,
    };
    memcpy(stream->epoch, start->view->epoch, sizeof stream->epoch);
    STAILQ_INIT(&stream->pieces);
    identity_watch(stream->identity);
    sse_index_join(streams->index, &stream->selector, &stream->member);
    TAILQ_INSERT_TAIL(&streams->all, stream, in_all);
    TAILQ_INSERT_TAIL(&streams->silence, stream, in_silence);
    streams->n++;
    metric_add(&streams->n_opened, 1);
    return stream;
}

/* The request ends, and frees the stream, if its client disconnects meanwhile. */
static void forget(struct request *r)
{
    (void)r;
}

static const struct suspension by_stream = {.cancel = forget};

void sse_stream_start(struct request *r, const struct sse_stream_start *start)
{
    struct sse_stream *stream = new_stream(r, start);
    r->response.pull = (struct response_pull){.free = free_stream, .user = stream};
    if (start->snapshot) {
        struct mirror_view view;
        mirror_list(r->gateway->upstream->mirror, &start->selector, SIZE_MAX, &stream->snapshot,
                    &view);
        stream->position = view.revision;
    }
    if (start->position >= start->view->revision || is_in_window(stream, start->position)) {
        go_live(stream);
        begin(stream);
    } else {
        request_suspend(r, &by_stream);
        start_watch(stream);
    }
}

/* ---- Reading ---- */

static size_t read_part(char *bytes, size_t max, const void *from, size_t n, size_t *at)
{
    size_t take = n - *at < max ? n - *at : max;
    memcpy(bytes, (const char *)from + *at, take);
    *at += take;
    return take;
}

/* Copies what is being sent; returns how much. */
static size_t read_out(struct sse_stream *stream, char *bytes, size_t max)
{
    size_t n = 0;
    if (stream->text != NULL) {
        n = read_part(bytes, max, stream->text->data, stream->text->len, &stream->n_sent);
        if (stream->n_sent == stream->text->len) {
            buf_unref(MOVE(stream->text));
        }
    }
    if (stream->text == NULL && stream->line_at < stream->line_end) {
        n += read_part(bytes + n, max - n, stream->line, stream->line_end, &stream->line_at);
    }
    return n;
}

static bool take_next(struct sse_stream *stream)
{
    if (stream->phase == PHASE_OVER) {
        return take_piece(stream);
    }
    return take_from_snapshot(stream) ||
           (stream->phase == PHASE_LIVE ? take_from_window(stream) : take_from_watch(stream));
}

static void break_silence(struct sse_stream *stream)
{
    struct sse_streams *streams = stream->streams;
    stream->silent_since_ns = clock_monotonic_ns();
    TAILQ_REMOVE(&streams->silence, stream, in_silence);
    TAILQ_INSERT_TAIL(&streams->silence, stream, in_silence);
}

static ssize_t read_stream(void *user, char *bytes, size_t max)
{
    struct sse_stream *stream = user;
    size_t n = read_out(stream, bytes, max);
    bool is_known = identity_is_known(stream->identity);
    stream->waits_for_rights = !is_known && stream->phase != PHASE_OVER;
    while (is_known && n < max && take_next(stream)) {
        n += read_out(stream, bytes + n, max - n);
    }
    /* The text of a window's event is shared by all streams. */
    bool is_own = stream->text != NULL && !stream->is_shared;
    stream->request->response.pull.n_held = is_own ? stream->text->len : 0;
    if (n > 0) {
        break_silence(stream);
        return (ssize_t)n;
    }
    stream->paused = stream->phase != PHASE_OVER;
    if (stream->phase == PHASE_LIVE && !stream->waits_for_rights) {
        assert(stream->next == stream->streams->window.next);
        sse_index_listen(&stream->member);
    }
    return stream->paused ? HTTP_READ_PENDING : HTTP_READ_END;
}

/* ---- All streams ---- */

/* An event that a listening stream selects has been added last. */
static void visit(void *user, struct sse_member *member)
{
    struct sse_streams *streams = user;
    struct sse_stream *stream = CONTAINER_OF(member, struct sse_stream, member);
    metric_add(&streams->n_visited, 1);
    wake(stream, streams->window.next - 1);
    make_due(stream);
}

static void end_stream(struct sse_stream *stream)
{
    wake(stream, stream->streams->window.next);
    stream->phase = PHASE_OVER;
    stream->waits_for_room = false;
    close_catch_up(stream);
    make_due(stream);
}

/* Receives again all that was received under other rights. */
static void begin_again(struct sse_stream *stream)
{
    if (stream->phase == PHASE_BEHIND) {
        close_catch_up(stream);
        drop_pieces(stream);
        stream->caught_up = stream->position;
        start_watch(stream);
    }
}

static void follow_rights(struct sse_stream *stream)
{
    if (stream->phase == PHASE_OVER || stream->phase == PHASE_PENDING) {
        return;
    }
    enum view_extent before = stream->extent;
    if (identity_refusal(stream->identity) != NULL) {
        stream->extent = VIEW_NOTHING;
        end_stream(stream);
        drop_pieces(stream);
    } else if (identity_is_known(stream->identity)) {
        stream->extent = identity_view(stream->identity, &stream->selector).extent;
        if (!view_digests_fit(stream->rights,
                              identity_digest(stream->identity, &stream->selector))) {
            stream->rights = VIEW_DIGEST_VOID;
        }
        if (before != stream->extent || stream->extent == VIEW_PART) {
            begin_again(stream);
        }
        if (stream->waits_for_rights) {
            make_due(stream);
        }
    }
}

/* A change of how the server takes credentials is one of everybody's rights. */
void sse_streams_follow_rights(struct sse_streams *streams, const struct identity *identity)
{
    struct sse_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, in_all)
    {
        if (stream->identity == identity || identity_is_own(identity)) {
            follow_rights(stream);
        }
    }
}

/* Another log replaced the one that the streams follow. A stream that waits for the server gets the
 * server's answer. */
static void reset(struct sse_streams *streams)
{
    struct sse_stream *stream;
    sse_window_clear(&streams->window);
    streams->committed = 0;
    TAILQ_FOREACH(stream, &streams->all, in_all)
    {
        if (stream->phase != PHASE_PENDING) {
            end_stream(stream);
        }
    }
}

void sse_streams_add(struct sse_streams *streams, struct sse_event *event)
{
    if (event->is_reset) {
        sse_event_free(event);
        reset(streams);
        return;
    }
    sse_window_add(&streams->window, event);
    if (event->is_told) {
        sse_index_visit(streams->index, event->environment, event->service_name, visit, streams);
    }
    if (event->ends_commit) {
        streams->committed = event->revision;
    }
}

void sse_streams_stop(struct sse_streams *streams)
{
    struct sse_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, in_all)
    {
        if (stream->phase == PHASE_PENDING) {
            request_refuse(stream->request, 503, "SHUTTING_DOWN", "The gateway is stopping");
        }
        end_stream(stream);
    }
}

static void beat(struct sse_streams *streams)
{
    int64_t before = clock_monotonic_ns() - streams->heartbeat_ns;
    struct sse_stream *stream;
    while ((stream = TAILQ_FIRST(&streams->silence)) != NULL && stream->silent_since_ns <= before) {
        if (stream->paused && stream->line_at == stream->line_end && stream->text == NULL) {
            wake(stream, streams->window.next);
            send_id(stream, ":\n", stream->position);
            make_due(stream);
        }
        break_silence(stream);
    }
}

static void run_one(struct sse_stream *stream, request_resume *resume, void *user)
{
    struct request *r = stream->request;
    if (stream->waits_for_room) {
        start_watch(stream);
    }
    if (r->suspended != NULL && stream->phase != PHASE_PENDING) {
        request_resumed(r);
        resume(user, r);
    } else if (stream->paused) {
        stream->paused = false;
        resume(user, r);
    }
}

void sse_streams_run(struct sse_streams *streams, request_resume *resume, void *user)
{
    sse_catch_ups_run(streams->catch_ups, take_news);
    beat(streams);
    /* Streams that still wait for room are appended behind `last`, for the next run. */
    const struct sse_stream *last = TAILQ_LAST(&streams->due, stream_list);
    const struct sse_stream *done = NULL;
    while (done != last) {
        struct sse_stream *stream = TAILQ_FIRST(&streams->due);
        TAILQ_REMOVE(&streams->due, stream, in_due);
        stream->is_due = false;
        run_one(stream, resume, user);
        done = stream;
    }
}

int64_t sse_streams_next_ns(const struct sse_streams *streams)
{
    const struct sse_stream *stream = TAILQ_FIRST(&streams->silence);
    if (!TAILQ_EMPTY(&streams->due)) {
        return clock_monotonic_ns() + ROOM_AGAIN_NS;
    }
    return stream == NULL ? -1 : stream->silent_since_ns + streams->heartbeat_ns;
}
