/* Providers, watchers and copies of one client, driven by lines on standard input; what happens is
 * told by JSON lines on standard output. tests/integration/test_c_provider.py drives it.
 *
 *     usage: library_follow ADDRESS…
 *
 * A line is words with blanks between them; "-" stands for NULL, "''" for "". Each command is
 * answered by one line with "reply". NAME is chosen by the driver.
 *
 *     provider NAME ENVIRONMENT SERVICE STALE_AFTER_MS RESOLVE(0|1) ENV_PREFIX FILE REFERENCES(0|1)
 *              REFERENCES_TTL_MS
 *     watcher NAME ENVIRONMENT SERVICE PREFIX newest|every|first LIMIT   started
 *     run NAME …             the same, on a thread of the program
 *     copy NAME ENVIRONMENT SERVICE PREFIX
 *     ready NAME MS          refresh NAME MS          state NAME
 *     get NAME TYPE PATH FALLBACK                     of a provider
 *     snapshot NAME          revision of a provider's values, and its config
 *     list NAME ENVIRONMENT SERVICE PREFIX            of a copy
 *     hold | go              callbacks of changes wait; go on
 *     in_callback stop|free NAME     in its next callback
 *     stop NAME              free NAME
 */
#include <confreg.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 512

enum kind { NOTHING, PROVIDER, WATCHER, COPY };

struct object {
    char name[32];
    enum kind kind;
    struct confreg_provider *provider;
    struct confreg_watcher *watcher;
    struct confreg_copy *copy;
    pthread_t thread;
    bool has_thread;
};

static struct object objects[MOST];
static struct confreg_client *client;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the next members */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool holds;
static char deed[16], deed_name[32]; /* for the next callback */

static struct object *find(const char *name)
{
    for (size_t i = 0; i < MOST; i++) {
        if (objects[i].kind != NOTHING && strcmp(objects[i].name, name) == 0) {
            return &objects[i];
        }
    }
    fprintf(stderr, "there is no %s\n", name);
    exit(1);
}

static struct object *add(const char *name, enum kind kind)
{
    for (size_t i = 0; i < MOST; i++) {
        if (objects[i].kind == NOTHING) {
            memset(&objects[i], 0, sizeof objects[i]);
            objects[i].kind = kind;
            snprintf(objects[i].name, sizeof objects[i].name, "%s", name);
            return &objects[i];
        }
    }
    fprintf(stderr, "too many objects\n");
    exit(1);
}

/* ---- Telling ---- */

static void print_text(const char *text, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void print_member(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    if (text == NULL) {
        fputs("null", stdout);
    } else {
        print_text(text, strlen(text));
    }
}

static void print_list(const char *name, const char *const *texts, size_t n)
{
    printf(",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        fputs(i == 0 ? "" : ",", stdout);
        print_text(texts[i], strlen(texts[i]));
    }
    putchar(']');
}

static void print_config(const char *name, const struct confreg_config *config)
{
    printf(",\"%s\":", name);
    if (config == NULL || confreg_config_data(config) == NULL) {
        fputs("null", stdout);
        return;
    }
    printf("{\"version\":%lu,\"mod_revision\":%lu,\"data\":%s",
           (unsigned long)confreg_config_version(config),
           (unsigned long)confreg_config_mod_revision(config), confreg_config_data(config));
    print_member("environment", confreg_config_environment(config));
    print_member("service", confreg_config_service(config));
    print_member("author", confreg_config_author(config));
    putchar('}');
}

static void print_error(const struct confreg_error *error)
{
    printf(",\"code\":\"%s\"", confreg_code_name(error->code));
    print_member("reason", error->reason);
    print_member("message", error->message);
}

static void begin(void)
{
    pthread_mutex_lock(&output);
    putchar('{');
}

static void end(void)
{
    puts("}");
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void reply(bool ok, const struct confreg_error *error)
{
    begin();
    printf("\"reply\":%s", ok ? "true" : "false");
    if (!ok) {
        print_error(error);
    }
    end();
}

/* ---- Callbacks ---- */

static void free_object(struct object *object)
{
    if (object->has_thread) {
        confreg_watcher_stop(object->watcher);
        pthread_join(object->thread, NULL);
    }
    confreg_provider_free(object->provider);
    confreg_watcher_free(object->watcher);
    confreg_copy_free(object->copy);
    object->kind = NOTHING;
}

static void wait_while_held(void)
{
    pthread_mutex_lock(&lock);
    while (holds) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void do_deed(const struct object *own)
{
    pthread_mutex_lock(&lock);
    char what[sizeof deed] = "";
    if (strcmp(own->name, deed_name) == 0) {
        memcpy(what, deed, sizeof deed);
        deed[0] = '\0';
    }
    pthread_mutex_unlock(&lock);
    if (strcmp(what, "stop") == 0) {
        confreg_watcher_stop(own->watcher);
    } else if (strcmp(what, "free") == 0) {
        struct object *object = find(own->name);
        object->has_thread = false;
        free_object(object);
    }
}

static void told_change(void *user, const struct confreg_change *change)
{
    struct object *object = user;
    begin();
    printf("\"event\":\"change\",\"kind\":%d,\"synthetic\":%s,\"revision\":%lu", (int)change->kind,
           change->synthetic ? "true" : "false", (unsigned long)change->revision);
    print_member("name", object->name);
    print_member("environment", change->environment);
    print_member("service", change->service);
    print_member("author", change->author);
    print_config("config", change->config);
    print_config("previous", change->previous);
    print_list("added", change->added, change->n_added);
    print_list("removed", change->removed, change->n_removed);
    print_list("changed", change->changed, change->n_changed);
    end();
    wait_while_held();
    do_deed(object);
}

static void told_failure(void *user, const struct confreg_error *error)
{
    struct object *object = user;
    begin();
    fputs("\"event\":\"failed\"", stdout);
    print_member("name", object->name);
    print_error(error);
    end();
    do_deed(object);
}

static void told_state(void *user, enum confreg_state state)
{
    struct object *object = user;
    begin();
    printf("\"event\":\"state\",\"state\":%d", (int)state);
    print_member("name", object->name);
    end();
    do_deed(object);
}

static void told_log(void *user, enum confreg_log_level level, const char *line)
{
    (void)user;
    begin();
    printf("\"event\":\"log\",\"level\":%d", (int)level);
    print_member("line", line);
    end();
}

/* ---- Commands ---- */

static const char *or_null(const char *word)
{
    return word == NULL || strcmp(word, "-") == 0 ? NULL : strcmp(word, "''") == 0 ? "" : word;
}

static void make_provider(char **words)
{
    struct confreg_provider_options options = CONFREG_PROVIDER_OPTIONS_INIT;
    struct confreg_error error;
    struct object *object = add(words[1], PROVIDER);
    options.stale_after_ms = atol(words[4]);
    options.resolve = words[5][0] == '1';
    options.env_prefix = or_null(words[6]);
    options.last_known_good = or_null(words[7]);
    options.references = words[8][0] == '1';
    options.references_ttl_ms = atol(words[9]);
    options.on_state = told_state;
    options.user = object;
    object->provider =
        confreg_provider_new(client, or_null(words[3]), or_null(words[2]), &options, &error);
    if (object->provider == NULL) {
        object->kind = NOTHING;
    }
    reply(object->provider != NULL, &error);
}

static void *run(void *user)
{
    struct object *object = user;
    struct confreg_error error;
    bool ok = confreg_watcher_run(object->watcher, &error);
    begin();
    printf("\"event\":\"returned\",\"ok\":%s", ok ? "true" : "false");
    print_member("name", object->name);
    end();
    return NULL;
}

static void make_watcher(char **words, bool runs)
{
    const struct confreg_selector selector = {or_null(words[2]), or_null(words[3]),
                                              or_null(words[4])};
    struct confreg_watcher_options options = CONFREG_WATCHER_OPTIONS_INIT;
    struct confreg_error error;
    struct object *object = add(words[1], WATCHER);
    options.latest_only = strcmp(words[5], "newest") == 0;
    options.first = strcmp(words[5], "first") == 0;
    options.queue_limit = (size_t)atol(words[6]);
    options.on_failure = told_failure;
    object->watcher =
        confreg_watcher_new(client, &selector, 1, &options, told_change, object, &error);
    bool ok = object->watcher != NULL;
    if (ok && runs) {
        object->has_thread = true;
        pthread_create(&object->thread, NULL, run, object);
    } else if (ok) {
        ok = confreg_watcher_start(object->watcher, &error);
    }
    reply(ok, &error);
}

static void make_copy(char **words)
{
    const struct confreg_selector selector = {or_null(words[2]), or_null(words[3]),
                                              or_null(words[4])};
    struct confreg_error error;
    struct object *object = add(words[1], COPY);
    object->copy = confreg_copy_new(client, &selector, 1, &error);
    reply(object->copy != NULL, &error);
}

static void wait_ready(char **words)
{
    struct object *object = find(words[1]);
    struct confreg_error error;
    int64_t ms = atol(words[2]);
    reply(object->kind == PROVIDER  ? confreg_provider_wait_ready(object->provider, ms, &error)
          : object->kind == WATCHER ? confreg_watcher_wait_ready(object->watcher, ms, &error)
                                    : confreg_copy_wait_ready(object->copy, ms, &error),
          &error);
}

static void refresh(char **words)
{
    struct confreg_error error;
    reply(confreg_provider_refresh(find(words[1])->provider, atol(words[2]), &error), &error);
}

static void tell_state(char **words)
{
    struct object *object = find(words[1]);
    struct confreg_error error;
    struct confreg_copy_view view = {.state = CONFREG_LOADING};
    begin();
    if (object->kind == COPY) {
        confreg_copy_look(object->copy, &view);
        printf("\"reply\":%d,\"revision\":%lu,\"age_ms\":%ld", (int)view.state,
               (unsigned long)view.revision, (long)view.age_ms);
        print_member("epoch", view.epoch);
    } else {
        printf("\"reply\":%d", (int)confreg_provider_state(object->provider));
        if (confreg_provider_last_error(object->provider, &error)) {
            print_error(&error);
        }
    }
    end();
}

static void print_got(struct confreg_provider *provider, const char *type, const char *path,
                      const char *fallback)
{
    char buffer[65536];
    const char *own = or_null(fallback);
    if (strcmp(type, "bool") == 0) {
        fputs(confreg_provider_get_bool(provider, path, own != NULL) ? "true" : "false", stdout);
    } else if (strcmp(type, "int64") == 0) {
        printf("%ld", (long)confreg_provider_get_int64(provider, path, atol(fallback)));
    } else if (strcmp(type, "double") == 0) {
        printf("\"%.17g\"", confreg_provider_get_double(provider, path, atof(fallback)));
    } else if (strcmp(type, "duration_ms") == 0) {
        printf("%ld", (long)confreg_provider_get_duration_ms(provider, path, atol(fallback)));
    } else if (strcmp(type, "size") == 0) {
        printf("%ld", (long)confreg_provider_get_size(provider, path, atol(fallback)));
    } else if (strcmp(type, "json") == 0) {
        confreg_provider_get_json(provider, path, own, buffer, sizeof buffer);
        fputs(buffer[0] == '\0' ? "null" : buffer, stdout);
    } else {
        size_t n = confreg_provider_get_string(provider, path, own, buffer, sizeof buffer);
        print_text(buffer, n < sizeof buffer ? n : sizeof buffer - 1);
    }
}

static void get(char **words)
{
    begin();
    fputs("\"reply\":", stdout);
    print_got(find(words[1])->provider, words[2], words[3], words[4] == NULL ? "-" : words[4]);
    end();
}

static void tell_snapshot(char **words)
{
    struct confreg_snapshot *snapshot = confreg_provider_snapshot(find(words[1])->provider);
    size_t n;
    const char *json = confreg_snapshot_get_json(snapshot, "", &n);
    begin();
    printf("\"reply\":%.*s,\"version\":%lu,\"revision\":%lu", (int)n, json,
           (unsigned long)confreg_snapshot_version(snapshot),
           (unsigned long)confreg_snapshot_revision(snapshot));
    print_member("epoch", confreg_snapshot_epoch(snapshot));
    end();
    confreg_snapshot_unref(snapshot);
}

static void list(char **words)
{
    struct confreg_copy_view view;
    const struct confreg_config *const *configs;
    const struct confreg_selector selector = {or_null(words[2]), or_null(words[3]),
                                              or_null(words[4])};
    size_t n = confreg_copy_list(find(words[1])->copy, &selector, &configs, &view);
    begin();
    printf("\"reply\":%zu,\"revision\":%lu,\"configs\":[{\"version\":0}", n,
           (unsigned long)view.revision);
    for (size_t i = 0; i < n; i++) {
        fputs(",{\"at\":0", stdout);
        print_config("config", configs[i]);
        putchar('}');
    }
    putchar(']');
    end();
    confreg_configs_free(configs, n);
}

static void set_holds(bool value)
{
    pthread_mutex_lock(&lock);
    holds = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void set_deed(char **words)
{
    pthread_mutex_lock(&lock);
    snprintf(deed, sizeof deed, "%s", words[1]);
    snprintf(deed_name, sizeof deed_name, "%s", words[2] == NULL ? "" : words[2]);
    pthread_mutex_unlock(&lock);
    reply(true, NULL);
}

static void obey(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "provider") == 0) {
        make_provider(words);
    } else if (strcmp(verb, "watcher") == 0) {
        make_watcher(words, false);
    } else if (strcmp(verb, "run") == 0) {
        make_watcher(words, true);
    } else if (strcmp(verb, "copy") == 0) {
        make_copy(words);
    } else if (strcmp(verb, "ready") == 0) {
        wait_ready(words);
    } else if (strcmp(verb, "refresh") == 0) {
        refresh(words);
    } else if (strcmp(verb, "state") == 0) {
        tell_state(words);
    } else if (strcmp(verb, "get") == 0) {
        get(words);
    } else if (strcmp(verb, "snapshot") == 0) {
        tell_snapshot(words);
    } else if (strcmp(verb, "list") == 0) {
        list(words);
    } else if (strcmp(verb, "hold") == 0) {
        set_holds(true);
        reply(true, NULL);
    } else if (strcmp(verb, "go") == 0) {
        set_holds(false);
        reply(true, NULL);
    } else if (strcmp(verb, "in_callback") == 0) {
        set_deed(words);
    } else if (strcmp(verb, "stop") == 0) {
        confreg_watcher_stop(find(words[1])->watcher);
        reply(true, NULL);
    } else if (strcmp(verb, "free") == 0) {
        free_object(find(words[1]));
        reply(true, NULL);
    } else {
        fprintf(stderr, "no such command: %s\n", verb);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    struct confreg_error error;
    char line[4096];
    options.addresses = (const char *const *)argv + 1;
    options.n_addresses = (size_t)argc - 1;
    options.token_file = getenv("FOLLOW_TOKEN_FILE");
    const char *max_watch_bytes = getenv("FOLLOW_MAX_WATCH_BYTES");
    options.max_watch_bytes = max_watch_bytes == NULL ? 0 : strtoul(max_watch_bytes, NULL, 10);
    options.log = told_log;
    client = confreg_client_new(&options, &error);
    if (client == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *words[16] = {NULL};
        size_t n = 0;
        for (char *word = strtok(line, " \n"); word != NULL && n < 15; word = strtok(NULL, " \n")) {
            words[n++] = word;
        }
        if (n > 0) {
            obey(words);
        }
    }
    set_holds(false);
    for (size_t i = 0; i < MOST; i++) {
        if (objects[i].kind != NOTHING) {
            free_object(&objects[i]);
        }
    }
    confreg_client_free(client);
    return 0;
}
