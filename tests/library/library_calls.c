/* library_calls ADDRESS[,ADDRESS…] DEADLINE-MS [NAME=VALUE]…: makes the calls of its standard
 * input, a line "METHOD JSON" each, and prints "ok JSON" or "CODE REASON FIELD MESSAGE". Names: ca,
 * cert, key, server_name, token. Lines of the library's log go to standard output, after "log ". */
#include "library_checks.h"

#define ADDRESSES 8

static void print_log(void *user, enum confreg_log_level level, const char *line)
{
    (void)user;
    printf("log %d %s\n", (int)level, line);
    fflush(stdout);
}

static size_t split(char *list, const char *addresses[ADDRESSES])
{
    size_t n = 0;
    for (char *at = strtok(list, ","); at != NULL && n < ADDRESSES; at = strtok(NULL, ",")) {
        addresses[n++] = at;
    }
    return n;
}

static void set(struct confreg_client_options *options, const char *argument)
{
    const struct {
        const char *name;
        const char **to;
    } names[] = {
        {"ca=", &options->ca_file},       {"cert=", &options->cert_file},
        {"key=", &options->key_file},     {"server_name=", &options->server_name},
        {"token=", &options->token_file},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].name);
        if (strncmp(argument, names[i].name, n) == 0) {
            *names[i].to = argument + n;
            return;
        }
    }
    CHECK(false && "known");
}

static void make(struct confreg_client *client, char *line)
{
    struct confreg_error error;
    struct confreg_text text;
    char *json = strchr(line, ' ');
    CHECK(json != NULL);
    *json++ = '\0';
    if (confreg_call(client, line, json, strlen(json), NULL, &text, &error)) {
        printf("ok %s\n", text.data);
        confreg_text_free(&text);
    } else {
        printf("%s %s %s %s\n", confreg_code_name(error.code),
               error.reason[0] == '\0' ? "-" : error.reason,
               error.field[0] == '\0' ? "-" : error.field, error.message);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    const char *addresses[ADDRESSES];
    struct confreg_error error;
    CHECK(argc > 2);
    options.addresses = addresses;
    options.n_addresses = split(argv[1], addresses);
    options.timeout_ms = strtol(argv[2], NULL, 10);
    options.author = "tester";
    options.log = print_log;
    for (int i = 3; i < argc; i++) {
        set(&options, argv[i]);
    }
    struct confreg_client *client = confreg_client_new(&options, &error);
    if (client == NULL) {
        printf("new %s %s\n", error.reason, error.message);
        return 0;
    }
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        line[n - 1] = '\0';
        make(client, line);
    }
    free(line);
    confreg_client_free(client);
    return 0;
}
