#include "compressor.h"

#include <assert.h>
#include <pthread.h>
#include <sys/queue.h>

#include "metrics.h"
#include "prepared.h"
#include "wake.h"

/* One version that is being compressed. */
struct compression {
    STAILQ_ENTRY(compression) next;
    struct mirror_config *config; /* a reference; the thread reads its data */
    struct str gzip;              /* the thread's, until it is done */
    struct compression_waits waits;
};

STAILQ_HEAD(compressions, compression);

struct compressor {
    pthread_t thread;
    struct wake done_wake; /* for the HTTP thread */
    size_t n, n_bytes;     /* compressions under way, and of what; HTTP thread */
    atomic_size_t held;    /* bytes of the compressed forms */
    struct metric made;
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t more;
    bool stopping;
    struct compressions wanted, done;
};

/* ---- The thread ---- */

/* NULL: to stop. Called with the lock. */
static struct compression *await_wanted(struct compressor *compressor)
{
    while (STAILQ_EMPTY(&compressor->wanted) && !compressor->stopping) {
        pthread_cond_wait(&compressor->more, &compressor->lock);
    }
    struct compression *one = STAILQ_FIRST(&compressor->wanted);
    if (compressor->stopping) {
        return NULL;
    }
    STAILQ_REMOVE_HEAD(&compressor->wanted, next);
    return one;
}

static void *run(void *user)
{
    struct compressor *compressor = user;
    struct compression *one;
    pthread_mutex_lock(&compressor->lock);
    while ((one = await_wanted(compressor)) != NULL) {
        pthread_mutex_unlock(&compressor->lock);
        coding_add_gzip(&one->gzip, one->config->data, one->config->n_data);
        pthread_mutex_lock(&compressor->lock);
        STAILQ_INSERT_TAIL(&compressor->done, one, next);
        wake_set(&compressor->done_wake);
    }
    pthread_mutex_unlock(&compressor->lock);
    return NULL;
}

struct compressor *compressor_new(void)
{
    struct compressor *compressor = mem_zalloc(sizeof *compressor);
    wake_init(&compressor->done_wake);
    pthread_mutex_init(&compressor->lock, NULL);
    pthread_cond_init(&compressor->more, NULL);
    STAILQ_INIT(&compressor->wanted);
    STAILQ_INIT(&compressor->done);
    if (pthread_create(&compressor->thread, NULL, run, compressor) != 0) {
        abort();
    }
    return compressor;
}

/* Drops compressions whose clients have left. */
static void drop(struct compressions *compressions)
{
    struct compression *one;
    while ((one = STAILQ_FIRST(compressions)) != NULL) {
        assert(TAILQ_EMPTY(&one->waits) && "no request waits any more");
        STAILQ_REMOVE_HEAD(compressions, next);
        mirror_config_unref(one->config);
        str_fini(&one->gzip);
        free(one);
    }
}

void compressor_free(struct compressor *compressor)
{
    if (compressor == NULL) {
        return;
    }
    pthread_mutex_lock(&compressor->lock);
    compressor->stopping = true;
    pthread_cond_signal(&compressor->more);
    pthread_mutex_unlock(&compressor->lock);
    pthread_join(compressor->thread, NULL);
    drop(&compressor->wanted);
    drop(&compressor->done);
    assert(atomic_load(&compressor->held) == 0 && "configs with compressed forms were freed");
    pthread_cond_destroy(&compressor->more);
    pthread_mutex_destroy(&compressor->lock);
    wake_fini(&compressor->done_wake);
    free(compressor);
}

/* ---- Waits ---- */

static void start(struct compressor *compressor, struct mirror_config *config)
{
    struct compression *one = mem_zalloc(sizeof *one);
    one->config = mirror_config_ref(config);
    TAILQ_INIT(&one->waits);
    prepared_of(config)->pending = one;
    compressor->n++;
    compressor->n_bytes += config->n_data;
    pthread_mutex_lock(&compressor->lock);
    STAILQ_INSERT_TAIL(&compressor->wanted, one, next);
    pthread_cond_signal(&compressor->more);
    pthread_mutex_unlock(&compressor->lock);
}

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

int compressor_fd(const struct compressor *compressor)
{
    return compressor->done_wake.fd;
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

void compressor_run(struct compressor *compressor, request_resume *resume, void *user)
{
    struct compressions done = STAILQ_HEAD_INITIALIZER(done);
    if (compressor->n == 0) {
        return;
    }
    pthread_mutex_lock(&compressor->lock);
    wake_clear(&compressor->done_wake); /* with the lock, so that it is set only for what is done */
    STAILQ_CONCAT(&done, &compressor->done);
    pthread_mutex_unlock(&compressor->lock);
    struct compression *one;
    while ((one = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        compressor->n--;
        compressor->n_bytes -= one->config->n_data;
        metric_add(&compressor->made, 1);
        prepared_add_gzip(one->config, &one->gzip, &compressor->held);
        end_waits(one, resume, user);
        mirror_config_unref(one->config);
        free(one);
    }
}

void compressor_count(const struct compressor *compressor, struct compressor_counts *ret)
{
    *ret = (struct compressor_counts){
        .made = metric_value(&compressor->made),
        .held_bytes = atomic_load(&compressor->held),
    };
}
