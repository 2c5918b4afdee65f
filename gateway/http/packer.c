#include "packer.h"

#include <assert.h>
#include <string.h>

#include "etag.h"
#include "http_server.h"
#include "metrics.h"
#include "routes.h"
#include "worker.h"

#define PART_BYTES ((size_t)256 << 10)
#define READ_BYTES ((size_t)64 << 10)
#define STREAM_BYTES ((size_t)270 << 10) /* what zlib holds for a stream, about */

struct packer {
    struct worker *worker; /* borrowed */
    size_t n;              /* packings */
    size_t n_bytes;        /* of complete bodies that are being compressed */
    struct metric made;
};

/* The compression of one answer. Belongs to the request, or, while a job runs, to the worker. */
struct packing {
    struct worker_job job;
    struct packer *packer;
    struct request *r; /* NULL: it has ended while the job ran */
    struct gzip_stream *stream;
    bool is_whole;  /* the body is complete, and not pulled */
    bool runs;      /* the job does; the next four are the thread's then */
    struct str in;  /* to be compressed */
    bool in_ends;   /* the answer ends with `in` */
    struct str out; /* compressed, of which `sent` bytes were read */
    size_t sent;
    bool has_ended; /* nothing comes behind `out` */
    size_t n_inner; /* bytes that the pull holds */
};

struct packer *packer_new(struct worker *worker)
{
    struct packer *packer = mem_zalloc(sizeof *packer);
    packer->worker = worker;
    return packer;
}

void packer_free(struct packer *packer)
{
    assert((packer == NULL || packer->n == 0) && "all requests have ended");
    free(packer);
}

uint64_t packer_count(const struct packer *packer)
{
    return metric_value(&packer->made);
}

static void packing_free(struct packing *packing)
{
    packing->packer->n--;
    gzip_stream_free(packing->stream);
    str_fini(&packing->in);
    str_fini(&packing->out);
    free(packing);
}

void packing_end(struct packing *packing)
{
    if (packing == NULL) {
        return;
    }
    packing->r = NULL;
    if (!packing->runs) {
        packing_free(packing);
    }
}

/* ---- The job ---- */

static struct packing *packing_of(struct worker_job *job)
{
    return CONTAINER_OF(job, struct packing, job);
}

static void work(struct worker_job *job)
{
    struct packing *packing = packing_of(job);
    gzip_stream_add(packing->stream, packing->in.data, packing->in.len, packing->in_ends,
                    &packing->out);
}

static void settle(struct packing *packing)
{
    packing->runs = false;
    packing->has_ended = packing->in_ends;
    packing->packer->n_bytes -= packing->is_whole ? packing->in.len : 0;
    str_clear(&packing->in);
}

/* The compressed form becomes the body. */
static void done(struct worker_job *job, request_resume *resume, void *user)
{
    struct packing *packing = packing_of(job);
    struct request *r = packing->r;
    settle(packing);
    if (r == NULL) {
        packing_free(packing);
        return;
    }
    if (packing->is_whole) {
        str_fini(&r->response.body);
        r->response.body = packing->out;
        packing->out = (struct str){0};
    }
    request_resumed(r);
    resume(user, r);
}

static void drop(struct worker_job *job)
{
    settle(packing_of(job));
    packing_free(packing_of(job));
}

/* The client has left: packing_end follows. */
static void cancel(struct request *r)
{
    (void)r;
}

static const struct suspension by_packing = {.cancel = cancel};

static void start(struct packing *packing)
{
    packing->runs = true;
    request_suspend(packing->r, &by_packing);
    worker_start(packing->packer->worker, &packing->job);
}

/* ---- Which answers ---- */

static const char *find_header(const struct response *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++) {
        if (strcmp(response->headers[i].name, name) == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}

/* Whether the packer decides on the form of the answer. */
static bool has_forms(const struct request *r)
{
    const struct response *response = &r->response;
    return r->route != NULL && r->route->kind->has_forms && response->prepared == NULL &&
           (response->status == 200 || response->status == 304);
}

static bool is_worth_it(const struct packer *packer, const struct request *r)
{
    const struct response *response = &r->response;
    size_t n = response->body.len;
    return response->status == 200 && !response->keeps_form &&
           coding_of(r->headers.accept_encoding) == CODING_GZIP && packer->n < PACKINGS_MAX &&
           (response->pull.read != NULL ||
            (n >= PACKED_FROM_BYTES && packer->n_bytes + n <= PACKED_BYTES));
}

/* Each form has a tag of its own. */
static void rename_tag(struct response *response)
{
    for (size_t i = 0; i < response->n_headers; i++) {
        struct response_header *header = &response->headers[i];
        if (strcmp(header->name, "ETag") == 0) {
            char quoted[ETAG_QUOTED_SIZE];
            AUTO_STR tag = {0};
            str_add(&tag, header->value + 1, strlen(header->value) - 2);
            etag_quote(str_text(&tag), CODING_GZIP, quoted);
            free(header->value);
            header->value = mem_string(quoted);
        }
    }
}

void packer_take(struct packer *packer, struct request *r)
{
    struct response *response = &r->response;
    if (!has_forms(r)) {
        return;
    }
    request_add_header(r, "Vary", "Accept-Encoding");
    if (!is_worth_it(packer, r)) {
        return;
    }
    assert(find_header(response, "Content-Encoding") == NULL && "such an answer keeps its form");
    struct packing *packing = mem_zalloc(sizeof *packing);
    *packing = (struct packing){
        .job = {.work = work, .done = done, .drop = drop},
        .packer = packer,
        .r = r,
        .stream = gzip_stream_new(),
        .is_whole = response->pull.read == NULL,
    };
    packer->n++;
    metric_add(&packer->made, 1);
    r->packing = packing;
    rename_tag(response);
    request_add_header(r, "Content-Encoding", "gzip");
    if (packing->is_whole) {
        packing->in = response->body;
        packing->in_ends = true;
        response->body = (struct str){0};
        packer->n_bytes += packing->in.len;
        start(packing);
    }
}

/* ---- Answers in parts ---- */

static ssize_t take_out(struct packing *packing, char *bytes, size_t max)
{
    size_t left = packing->out.len - packing->sent;
    size_t n = left < max ? left : max;
    memcpy(bytes, packing->out.data + packing->sent, n);
    packing->sent += n;
    if (packing->sent == packing->out.len) {
        str_clear(&packing->out);
        packing->sent = 0;
    }
    return (ssize_t)n;
}

/* Reads a part, or what there is of one before the request has to wait. False: the rest is lost. */
static bool take_in(struct packing *packing)
{
    const struct response_pull *pull = &packing->r->response.pull;
    while (packing->in.len < PART_BYTES) {
        size_t before = packing->in.len;
        char *room = str_extend(&packing->in, READ_BYTES);
        ssize_t n = pull->read(pull->user, room, READ_BYTES);
        packing->n_inner = pull->n_held;
        str_truncate(&packing->in, before + (n > 0 ? (size_t)n : 0));
        packing->in_ends = n == HTTP_READ_END;
        if (n <= 0) {
            return n != HTTP_READ_FAILED;
        }
    }
    return true;
}

static void tell_held(struct packing *packing)
{
    packing->r->response.pull.n_held =
        packing->n_inner + packing->in.len + packing->out.len + STREAM_BYTES;
}

ssize_t packing_read(struct packing *packing, char *bytes, size_t max)
{
    struct request *r = packing->r;
    if (packing->runs || r->suspended != NULL) {
        return HTTP_READ_PENDING;
    }
    if (packing->out.len == 0 && packing->has_ended) {
        return HTTP_READ_END;
    }
    if (packing->out.len == 0) {
        if (!take_in(packing)) {
            return HTTP_READ_FAILED;
        }
        tell_held(packing);
        if (r->suspended == NULL) {
            start(packing);
        }
        return HTTP_READ_PENDING;
    }
    ssize_t n = take_out(packing, bytes, max);
    tell_held(packing);
    return n;
}
