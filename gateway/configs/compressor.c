#include "compressor.h"

#include <assert.h>
#include <sys/queue.h>

#include "metrics.h"
#include "prepared.h"
#include "worker.h"

/* One version that is being compressed. */
struct compression {
    struct worker_job job;
    struct compressor *compressor;
    struct mirror_config *config; /* a reference; the thread reads its data */
    struct str gzip;              /* the thread's, until it is done */
    struct compression_waits waits;
};

struct compressor {
    struct worker *worker; /* borrowed */
    size_t n, n_bytes;     /* compressions under way, and of what; HTTP thread */
    atomic_size_t held;    /* bytes of the compressed forms */
    struct metric made;
};

struct compressor *compressor_new(struct worker *worker)
{
    struct compressor *compressor = mem_zalloc(sizeof *compressor);
    compressor->worker = worker;
    return compressor;
}

void compressor_free(struct compressor *compressor)
{
    assert((compressor == NULL || atomic_load(&compressor->held) == 0) &&
           "configs with compressed forms were freed");
    free(compressor);
}

/* No request joins meanwhile, as the form is there. */
static void end_waits(struct compression *one, request_resume *resume, void *user)
{
    struct compression_wait *wait;
    while ((wait = TAILQ_FIRST(&one->waits)) != NULL) {
        struct config_request *c = CONTAINER_OF(wait, struct config_request, compression);
        struct request *r = &c->upstream.base;
        TAILQ_REMOVE(&one->waits, wait, in_waits);
        request_resumed(r);
        wait->over(r);
        if (r->suspended == NULL) {
            resume(user, r);
        }
    }
}

/* ---- The job ---- */

static struct compression *compression_of(struct worker_job *job)
{
    return CONTAINER_OF(job, struct compression, job);
}

static void work(struct worker_job *job)
{
    struct compression *one = compression_of(job);
    coding_add_gzip(&one->gzip, one->config->data, one->config->n_data);
}

static void compression_free(struct compression *one)
{
    one->compressor->n--;
    one->compressor->n_bytes -= one->config->n_data;
    mirror_config_unref(one->config);
    str_fini(&one->gzip);
    free(one);
}

static void done(struct worker_job *job, request_resume *resume, void *user)
{
    struct compression *one = compression_of(job);
    metric_add(&one->compressor->made, 1);
    prepared_add_gzip(one->config, &one->gzip, &one->compressor->held);
    end_waits(one, resume, user);
    compression_free(one);
}

static void drop(struct worker_job *job)
{
    struct compression *one = compression_of(job);
    assert(TAILQ_EMPTY(&one->waits) && "no request waits any more");
    compression_free(one);
}

static void start(struct compressor *compressor, struct mirror_config *config)
{
    struct compression *one = mem_zalloc(sizeof *one);
    one->job = (struct worker_job){.work = work, .done = done, .drop = drop};
    one->compressor = compressor;
    one->config = mirror_config_ref(config);
    TAILQ_INIT(&one->waits);
    prepared_of(config)->pending = one;
    compressor->n++;
    compressor->n_bytes += config->n_data;
    worker_start(compressor->worker, &one->job);
}

/* ---- Waits ---- */

/* The client has left: the form is made all the same. */
static void cancel(struct request *r)
{
    struct compression_wait *wait = &config_request_of(r)->compression;
    TAILQ_REMOVE(&wait->of->waits, wait, in_waits);
}

static const struct suspension by_compression = {.cancel = cancel};

bool compressor_lacks(struct mirror_config *config)
{
    return config->n_data >= COMPRESSED_FROM_BYTES &&
           prepared_of(config)->forms[CODING_GZIP] == NULL;
}

bool compressor_wait(struct compressor *compressor, struct request *r, struct mirror_config *config,
                     wait_over *over)
{
    struct prepared *prepared = prepared_of(config);
    assert(compressor_lacks(config));
    if (prepared->pending == NULL) {
        if (compressor->n >= COMPRESSIONS_MAX ||
            atomic_load(&compressor->held) + compressor->n_bytes + config->n_data >
                COMPRESSED_BYTES) {
            return false;
        }
        start(compressor, config);
    }
    struct compression_wait *wait = &config_request_of(r)->compression;
    request_suspend(r, &by_compression);
    *wait = (struct compression_wait){.of = prepared->pending, .over = over};
    TAILQ_INSERT_TAIL(&wait->of->waits, wait, in_waits);
    return true;
}

void compressor_count(const struct compressor *compressor, struct compressor_counts *ret)
{
    *ret = (struct compressor_counts){
        .made = metric_value(&compressor->made),
        .held_bytes = atomic_load(&compressor->held),
    };
}
