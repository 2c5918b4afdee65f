#include "channel.h"

#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>

#include "channel_args.h"
#include "file_watch.h"
#include "log.h"
#include "mem.h"

struct channel {
    atomic_uint refs; /* the source's, and one of each call */
    grpc_channel *core;
};

struct channel_source {
    char *address; /* owned, like the texts of tls */
    struct rpc_client_options options;
    struct tls_client_settings tls;
    struct file_watch *watch; /* NULL: no TLS */
    pthread_mutex_t lock;
    struct channel *newest; /* under the lock */
};

grpc_channel *channel_core(const struct channel *channel)
{
    return channel->core;
}

void channel_unref(struct channel *channel)
{
    if (atomic_fetch_sub(&channel->refs, 1) == 1) {
        grpc_channel_destroy(channel->core);
        free(channel);
    }
}

/* files: NULL: no TLS. */
static grpc_channel_credentials *create_credentials(const struct pem_files *files)
{
    if (files == NULL) {
        return grpc_insecure_credentials_create();
    }
    grpc_ssl_pem_key_cert_pair pair = {files->key, files->cert};
    return grpc_ssl_credentials_create(files->ca, files->cert == NULL ? NULL : &pair, NULL, NULL);
}

static grpc_channel *create_core(const struct channel_source *source, const struct pem_files *files)
{
    const struct rpc_client_options *options = &source->options;
    struct channel_args args = {.n = 0};
    size_t max_bytes = options->max_receive_bytes == 0 ? 64u << 20 : options->max_receive_bytes;
    channel_args_add(&args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int64_t)max_bytes);
    channel_args_add(&args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    channel_args_add(&args, GRPC_ARG_KEEPALIVE_TIME_MS, value_or(options->keepalive_ms, 20000));
    channel_args_add(&args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                     value_or(options->keepalive_timeout_ms, 10000));
    channel_args_add(&args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    channel_args_add(&args, GRPC_ARG_HTTP2_BDP_PROBE, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_RETRIES, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_CHANNELZ, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    channel_args_add(&args, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channel_args_add(&args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    /* Each client has its own connection. */
    channel_args_add(&args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    /* A server that comes back is found within seconds. */
    channel_args_add(&args, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    channel_args_add(&args, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
    channel_args_add(&args, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
    channel_args_add(&args, GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
    if (options->minimal_stack) {
        channel_args_add(&args, GRPC_ARG_MINIMAL_STACK, 1);
        channel_args_add(&args, GRPC_ARG_ENABLE_DEADLINE_CHECKS, 1);
    }
    if (source->tls.server_name != NULL) {
        channel_args_add_text(&args, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, source->tls.server_name);
    }
    grpc_channel_args channel_args = {args.n, args.items};
    grpc_channel_credentials *credentials = create_credentials(files);
    grpc_channel *channel = grpc_channel_create(source->address, credentials, &channel_args);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static struct channel *create(const struct channel_source *source, const struct pem_files *files)
{
    struct channel *channel = mem_zalloc(sizeof *channel);
    atomic_init(&channel->refs, 1);
    channel->core = create_core(source, files);
    return channel;
}

static struct channel *swap(struct channel_source *source, struct channel *channel)
{
    pthread_mutex_lock(&source->lock);
    struct channel *before = source->newest;
    source->newest = channel;
    pthread_mutex_unlock(&source->lock);
    return before;
}

static void read_again(void *user)
{
    struct channel_source *source = user;
    struct pem_files files;
    struct status st;
    if (!pem_files_read(&source->tls, &files, &st)) {
        log_event_to(source->options.log, LOG_ERROR, "tls_reload_failed", "message", st.message,
                     "effect", "the files that were read before stay in force", NULL);
        return;
    }
    channel_unref(swap(source, create(source, &files)));
    pem_files_fini(&files);
    log_event_to(source->options.log, LOG_INFO, "tls_loaded", "for", "the connection to the server",
                 NULL);
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : mem_string(text);
}

static bool start_tls(struct channel_source *source, const struct tls_client_settings *tls,
                      struct status *st)
{
    struct pem_files files;
    if (!pem_files_read(tls, &files, st)) {
        return false;
    }
    source->tls = (struct tls_client_settings){copy(tls->ca), copy(tls->cert), copy(tls->key),
                                               copy(tls->server_name), tls->names};
    source->newest = create(source, &files);
    pem_files_fini(&files);
    const struct file_watch_options options = {
        .paths = {tls->ca, tls->cert, tls->key}, .changed = read_again, .user = source};
    source->watch = file_watch_start(&options);
    return true;
}

bool channel_source_new(const char *address, const struct rpc_client_options *options,
                        struct channel_source **ret_source, struct status *st)
{
    struct channel_source *source = mem_zalloc(sizeof *source);
    source->address = mem_string(address);
    source->options = *options;
    pthread_mutex_init(&source->lock, NULL);
    if (options->tls == NULL) {
        source->newest = create(source, NULL);
    } else if (!start_tls(source, options->tls, st)) {
        channel_source_free(source);
        return false;
    }
    *ret_source = source;
    return true;
}

struct channel *channel_source_take(struct channel_source *source)
{
    pthread_mutex_lock(&source->lock);
    struct channel *channel = source->newest;
    atomic_fetch_add(&channel->refs, 1);
    pthread_mutex_unlock(&source->lock);
    return channel;
}

void channel_source_reload(struct channel_source *source)
{
    if (source->watch != NULL) {
        file_watch_poke(source->watch);
    }
}

void channel_source_free(struct channel_source *source)
{
    if (source == NULL) {
        return;
    }
    file_watch_stop(source->watch);
    if (source->newest != NULL) {
        channel_unref(source->newest);
    }
    const struct tls_client_settings *tls = &source->tls;
    const char *const texts[] = {tls->ca, tls->cert, tls->key, tls->server_name, source->address};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free((char *)(uintptr_t)texts[i]);
    }
    pthread_mutex_destroy(&source->lock);
    free(source);
}
