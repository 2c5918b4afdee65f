#include "file_writer.h"

#include <pthread.h>

struct file_writer {
    char *path, *environment, *service_name; /* owned */
    struct last_known_of of;
    void (*done)(void *user, const struct status *st);
    void *user;
    pthread_t thread;
    pthread_mutex_t lock; /* of the next members */
    pthread_cond_t changed;
    struct last_known newest; /* data NULL: it was written */
    bool ending;
};

/* Takes the newest values; false: the end. */
static bool take(struct file_writer *writer, struct last_known *ret_known)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->newest.data == NULL && !writer->ending) {
        pthread_cond_wait(&writer->changed, &writer->lock);
    }
    *ret_known = writer->newest;
    writer->newest.data = NULL;
    pthread_mutex_unlock(&writer->lock);
    return ret_known->data != NULL;
}

static void *write_all(void *user)
{
    struct file_writer *writer = user;
    struct last_known known;
    while (take(writer, &known)) {
        struct status st;
        bool ok = last_known_write(writer->path, &writer->of, &known, &st);
        buf_unref(known.data);
        writer->done(writer->user, ok ? NULL : &st);
    }
    return NULL;
}

static void destroy(struct file_writer *writer)
{
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer->path);
    free(writer->environment);
    free(writer->service_name);
    free(writer);
}

struct file_writer *file_writer_new(const char *path, const struct last_known_of *of,
                                    void (*done)(void *user, const struct status *st), void *user)
{
    struct file_writer *writer = mem_zalloc(sizeof *writer);
    writer->path = mem_string(path);
    writer->environment = mem_string(of->environment);
    writer->service_name = mem_string(of->service_name);
    writer->of = (struct last_known_of){writer->environment, writer->service_name, of->resolve};
    writer->done = done;
    writer->user = user;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    if (pthread_create(&writer->thread, NULL, write_all, writer) != 0) {
        destroy(writer);
        return NULL;
    }
    return writer;
}

void file_writer_write(struct file_writer *writer, const struct last_known *known)
{
    pthread_mutex_lock(&writer->lock);
    struct buf *old = writer->newest.data;
    writer->newest = *known;
    buf_ref(known->data);
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    buf_unref(old);
}

void file_writer_free(struct file_writer *writer)
{
    if (writer != NULL) {
        pthread_mutex_lock(&writer->lock);
        writer->ending = true;
        pthread_cond_signal(&writer->changed);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
        destroy(writer);
    }
}
