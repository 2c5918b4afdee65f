/* library_process ADDRESS: fork, and threads that end. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "library_checks.h"

static const char *address;

static void use(struct confreg_client *client)
{
    struct confreg_text text;
    struct confreg_error error;
    if (!confreg_call(client, "GetStatus", "{}", 2, NULL, &text, &error)) {
        printf("%s %s\n", error.reason, error.message);
        exit(1);
    }
    confreg_text_free(&text);
}

static void *use_once(void *client)
{
    use(client);
    return NULL;
}

static void threads(void)
{
    struct confreg_client *client = client_of(address, 0);
    for (int round = 0; round < 20; round++) {
        pthread_t all[4];
        for (int i = 0; i < 4; i++) {
            CHECK(pthread_create(&all[i], NULL, use_once, client) == 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(all[i], NULL);
        }
    }
    confreg_client_free(client);
}

static int n_told;

static void count_forked(void *user, const struct confreg_text *response,
                         const struct confreg_error *error)
{
    (void)user;
    CHECK(response == NULL);
    CHECK_ERROR(*error, CONFREG_FAILED_PRECONDITION, "FORKED");
    n_told++;
}

/* Ends with 7 where all is as the header says. */
static void be_child(struct confreg_client *client)
{
    struct confreg_error error;
    alarm(60);
    CHECK(confreg_get(client, "prod", "x", NULL, &error) == NULL);
    CHECK_ERROR(error, CONFREG_FAILED_PRECONDITION, "FORKED");
    confreg_call_start(client, "GetStatus", "{}", 2, NULL, count_forked, NULL);
    CHECK(n_told == 1);
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    options.addresses = &address;
    options.n_addresses = 1;
    CHECK(confreg_client_new(&options, &error) == NULL);
    CHECK_ERROR(error, CONFREG_FAILED_PRECONDITION, "FORKED");
    confreg_client_free(client);
    _exit(7);
}

static void fork_before(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct confreg_client *client = client_of(address, 0);
        use(client);
        confreg_client_free(client);
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void fork_after(void)
{
    struct confreg_client *client = client_of(address, 0);
    use(client);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        be_child(client);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    use(client);
    confreg_client_free(client);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    address = argv[1];
    CHECK(confreg_version() >= CONFREG_VERSION_NUMBER);
    fork_before();
    threads();
    fork_after();
    puts("done");
    return 0;
}
