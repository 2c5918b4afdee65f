/* libconfreg under the conformance program: tests/conformance/README.md says what is printed and
 * read.
 *
 *     usage: library_conformance ADDRESS[,ADDRESS…] */
#include <confreg.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ADDRESSES 4

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

/* Prints the members, which it frees, and the data of the config as they have come; null: they are
 * no JSON. */
static void say(json_t *members, const struct confreg_config *config)
{
    const char *data = config == NULL ? NULL : confreg_config_data(config);
    json_t *value = data == NULL ? NULL : json_loads(data, 0, NULL);
    char *text = json_dumps(members, JSON_COMPACT);
    pthread_mutex_lock(&output);
    printf("%.*s,\"data\":%s}\n", (int)strlen(text) - 1, text, value == NULL ? "null" : data);
    fflush(stdout);
    pthread_mutex_unlock(&output);
    free(text);
    json_decref(value);
    json_decref(members);
}

static json_t *facts(const char *event, const char *environment, const char *service,
                     const struct confreg_config *config)
{
    json_int_t version = config == NULL ? 0 : (json_int_t)confreg_config_version(config);
    return json_pack("{s:s, s:s, s:s, s:I}", "event", event, "environment", environment, "service",
                     service, "version", version);
}

static void say_config(const char *event, const struct confreg_config *config)
{
    say(facts(event, confreg_config_environment(config), confreg_config_service(config), config),
        config);
}

static void say_error(const char *event, const struct confreg_error *error)
{
    say(json_pack("{s:s, s:s, s:s}", "event", event, "code", confreg_code_name(error->code),
                  "reason", error->reason),
        NULL);
}

/* ---- The watch ---- */

static const char *kind_name(enum confreg_change_kind kind)
{
    switch (kind) {
    case CONFREG_CREATE:
        return "create";
    case CONFREG_UPDATE:
        return "update";
    case CONFREG_ROLLBACK:
        return "rollback";
    case CONFREG_DELETE:
        return "delete";
    case CONFREG_ERASE:
        return "erase";
    case CONFREG_IMPORT:
        return "import";
    case CONFREG_UNDELETE:
        return "undelete";
    }
    return "unknown";
}

static void take_change(void *user, const struct confreg_change *change)
{
    (void)user;
    json_t *members = facts("change", change->environment, change->service, change->config);
    json_object_set_new(members, "kind", json_string(kind_name(change->kind)));
    json_object_set_new(members, "revision", json_integer((json_int_t)change->revision));
    json_object_set_new(members, "synthetic", json_boolean(change->synthetic));
    say(members, change->config);
}

static void take_failure(void *user, const struct confreg_error *error)
{
    (void)user;
    say_error("interrupted", error);
}

/* Waits for the first state and tells it. The copy has the same stream as the watcher. */
static void *tell_first(void *user)
{
    struct confreg_copy *copy = user;
    while (!confreg_copy_wait_ready(copy, 1000, NULL)) {
    }
    const struct confreg_config *const *configs;
    size_t n = confreg_copy_list(copy, NULL, &configs, NULL);
    for (size_t i = 0; i < n; i++) {
        say_config("snapshot", configs[i]);
    }
    confreg_configs_free(configs, n);
    say(json_pack("{s:s}", "event", "ready"), NULL);
    return NULL;
}

/* ---- Calls ---- */

static const struct confreg_config *call(struct confreg_client *client, json_t *command,
                                         struct confreg_error *error)
{
    const char *environment = json_string_value(json_object_get(command, "environment"));
    const char *service = json_string_value(json_object_get(command, "service"));
    int64_t timeout_ms = json_integer_value(json_object_get(command, "deadline_ms"));
    if (strcmp(json_string_value(json_object_get(command, "do")), "get") == 0) {
        struct confreg_get_options options = CONFREG_GET_OPTIONS_INIT;
        options.timeout_ms = timeout_ms;
        return confreg_get(client, environment, service, &options, error);
    }
    struct confreg_write_options options = CONFREG_WRITE_OPTIONS_INIT;
    options.timeout_ms = timeout_ms;
    char *data = json_dumps(json_object_get(command, "data"), JSON_COMPACT);
    const struct confreg_config *config =
        confreg_update(client, environment, service, data, strlen(data), &options, error);
    free(data);
    return config;
}

static void obey(struct confreg_client *client, const char *line)
{
    struct confreg_error error;
    json_t *command = json_loads(line, 0, NULL);
    const struct confreg_config *config = call(client, command, &error);
    if (config == NULL) {
        say_error("failed", &error);
    } else {
        say_config("result", config);
    }
    confreg_config_unref(config);
    json_decref(command);
}

static void give_up(const struct confreg_error *error)
{
    fprintf(stderr, "%s: %s\n", error->reason, error->message);
    exit(1);
}

/* Splits a text at its commas, in place. */
static size_t split(char *text, const char *ret_addresses[MOST_ADDRESSES])
{
    size_t n = 0;
    char *rest = NULL;
    for (char *part = strtok_r(text, ",", &rest); part != NULL && n < MOST_ADDRESSES;
         part = strtok_r(NULL, ",", &rest)) {
        ret_addresses[n++] = part;
    }
    return n;
}

int main(int argc, char **argv)
{
    struct confreg_error error;
    const char *addresses[MOST_ADDRESSES];
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    options.addresses = addresses;
    options.n_addresses = argc == 2 ? split(argv[1], addresses) : 0;
    options.ca_file = getenv("CONFORMANCE_CA_FILE");
    options.token_file = getenv("CONFORMANCE_TOKEN_FILE");
    struct confreg_client *client = confreg_client_new(&options, &error);
    if (client == NULL) {
        give_up(&error);
    }
    struct confreg_selector selector = {.environment = "prod"};
    struct confreg_watcher_options watching = CONFREG_WATCHER_OPTIONS_INIT;
    watching.on_failure = take_failure;
    struct confreg_watcher *watcher =
        confreg_watcher_new(client, &selector, 1, &watching, take_change, NULL, &error);
    struct confreg_copy *copy = confreg_copy_new(client, &selector, 1, &error);
    if (watcher == NULL || copy == NULL || !confreg_watcher_start(watcher, &error)) {
        give_up(&error);
    }
    pthread_t first;
    pthread_create(&first, NULL, tell_first, copy);
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(client, line);
    }
    pthread_join(first, NULL);
    confreg_copy_free(copy);
    confreg_watcher_free(watcher);
    confreg_client_free(client);
}
