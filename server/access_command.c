#include "access_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_admin.h"
#include "clock.h"
#include "file.h"
#include "rights.h"

#define EXIT_NO 2 /* explain: not allowed */
#define TOKEN_FILE_BYTES 4096

static const char usage[] =
    "usage: confregd access token NAME --access FILE [--role ROLE]… [--environment PATTERN]…\n"
    "                             [--service PATTERN]… [--expires 90d]\n"
    "       confregd access check FILE\n"
    "       confregd access explain --access FILE --token-file FILE METHOD ENVIRONMENT/SERVICE\n"
    "\n"
    "token adds a new bearer token of the principal NAME to an access file, and prints it: this "
    "is\n"
    "the only time that it can be seen. The file is made if it does not exist. Each ROLE (reader,\n"
    "admin, super-admin, auditor, gateway) is granted for the environments and services that "
    "match\n"
    "one of the patterns each; without patterns, for every one. * stands for any characters.\n"
    "A principal who is in the file already needs no role.\n"
    "\n"
    "check says what a file means, and what deserves a look.\n"
    "\n"
    "explain says whether the owner of a token may call a method (such as GetConfig) for a "
    "config,\n"
    "and by which line of the file.\n"
    "\n"
    "  --access FILE       The access file.\n"
    "  --role ROLE         As above; this and the next two can be repeated.\n"
    "  --environment PATTERN, --service PATTERN\n"
    "                      As above.\n"
    "  --expires TIME      When the token ends: 90d, 12h or 30m from now, or a time such as\n"
    "                      2030-01-01T00:00:00Z. Without it, it does not.\n"
    "  --token-file FILE   A file that has the token in its first line.\n"
    "  --help              Print this.\n"
    "\n"
    "Exit code: 0: done, the file is good, it is allowed; 2: explain: it is not allowed; 1: the "
    "file\n"
    "cannot be used, or the arguments are wrong.\n";

struct arguments {
    const char *operands[3];
    size_t n_operands;
    const char *file, *token_file, *expires;
    enum access_role *roles; /* this and the next two are owned */
    const char **environments, **services;
    size_t n_roles, n_environments, n_services;
};

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "confregd access: %s%s\n\n%s", what, argument, usage);
    return EXIT_FAILURE;
}

static int fail(const char *path, const struct status *st)
{
    fprintf(stderr, "confregd access: %s: %s\n", path, st->message);
    return EXIT_FAILURE;
}

/* ---- Arguments ---- */

/* False: there is no such option, or its value is none. */
static bool take_option(struct arguments *a, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **target;
        size_t *n; /* of a list */
    } options[] = {
        {"--access", &a->file, NULL},
        {"--token-file", &a->token_file, NULL},
        {"--expires", &a->expires, NULL},
        {"--environment", a->environments, &a->n_environments},
        {"--service", a->services, &a->n_services},
    };
    if (strcmp(name, "--role") == 0) {
        return access_role_parse(value, &a->roles[a->n_roles++]);
    }
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(name, options[i].name) == 0) {
            options[i].target[options[i].n == NULL ? 0 : (*options[i].n)++] = value;
            return true;
        }
    }
    return false;
}

static int read_arguments(struct arguments *a, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (a->n_operands == COUNT_OF(a->operands)) {
                return refuse("too many arguments at ", argv[i]);
            }
            a->operands[a->n_operands++] = argv[i];
        } else if (i + 1 == argc) {
            return refuse("a value is missing for ", argv[i]);
        } else if (!take_option(a, argv[i], argv[i + 1])) {
            return refuse("no such option or value: ", argv[i]);
        } else {
            i++;
        }
    }
    return EXIT_SUCCESS;
}

/* ---- token ---- */

/* Turns "90d" into a time; a text that is no duration stays as it is. */
static void resolve_time(const char *text, char ret_time[CLOCK_TEXT_SIZE])
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t n = strspn(text, "0123456789");
    snprintf(ret_time, CLOCK_TEXT_SIZE, "%s", text);
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (n > 0 && n < 8 && text[n] == units[i].unit && text[n + 1] == '\0') {
            int64_t now_s = clock_wall_us() / 1000000;
            clock_format((now_s + atoi(text) * units[i].seconds) * 1000000, ret_time);
            snprintf(strchr(ret_time, '.'), 2, "Z"); /* whole seconds will do */
        }
    }
}

static int add_token(const struct arguments *a)
{
    char expires[CLOCK_TEXT_SIZE];
    int64_t expires_us;
    if (a->n_operands != 1 || a->file == NULL) {
        return refuse("token needs a NAME and --access FILE", "");
    }
    if (a->expires != NULL) {
        resolve_time(a->expires, expires);
        if (!clock_parse(expires, &expires_us)) {
            return refuse("--expires needs 90d, 12h, 30m or a time such as 2030-01-01T00:00:00Z",
                          "");
        }
    }
    const struct access_addition addition = {
        .name = a->operands[0],
        .roles = a->roles,
        .n_roles = a->n_roles,
        .environments = a->environments,
        .n_environments = a->n_environments,
        .services = a->services,
        .n_services = a->n_services,
        .expires = a->expires == NULL ? NULL : expires,
    };
    char token[BEARER_TOKEN_SIZE];
    struct status st;
    if (!access_add_token(a->file, &addition, token, &st)) {
        return fail(a->file, &st);
    }
    bool printed = puts(token) >= 0 && fflush(stdout) == 0;
    secret_wipe(token, sizeof token);
    return printed ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- check, explain ---- */

static int check(const struct arguments *a)
{
    AUTO_STR out = {0};
    struct status st;
    if (a->n_operands != 1) {
        return refuse("check needs a FILE", "");
    }
    if (!access_show(a->operands[0], &out, &st)) {
        return fail(a->operands[0], &st);
    }
    fputs(str_text(&out), stdout);
    return EXIT_SUCCESS;
}

static const struct right *find_right(const char *method)
{
    size_t n;
    const struct right *rights = rights_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rights[i].method, method) == 0) {
            return &rights[i];
        }
    }
    return NULL;
}

static int answer(const char *file, const struct access_question *question)
{
    AUTO_STR out = {0};
    struct status st;
    bool allowed;
    if (!access_explain(file, question, &allowed, &out, &st)) {
        return fail(file, &st);
    }
    fputs(str_text(&out), stdout);
    return allowed ? EXIT_SUCCESS : EXIT_NO;
}

static int explain(const struct arguments *a)
{
    if (a->n_operands != 2 || a->file == NULL || a->token_file == NULL) {
        return refuse("explain needs --access, --token-file, METHOD and ENVIRONMENT/SERVICE", "");
    }
    const struct right *right = find_right(a->operands[0]);
    const char *slash = strchr(a->operands[1], '/');
    if (right == NULL || slash == NULL) {
        return refuse("no method, or no ENVIRONMENT/SERVICE: ",
                      right == NULL ? a->operands[0] : a->operands[1]);
    }
    AUTO(buf_unref) struct buf *bytes = NULL;
    struct status st;
    if (!file_read(a->token_file, TOKEN_FILE_BYTES, &bytes, NULL, &st)) {
        return fail(a->token_file, &st);
    }
    bytes->data[strcspn((const char *)bytes->data, "\r\n")] = '\0';
    AUTO(free) char *environment = mem_text(a->operands[1], (size_t)(slash - a->operands[1]));
    const struct access_question question = {
        .token = (const char *)bytes->data,
        .any_of = right->any_of,
        .environment = environment,
        .service = slash + 1,
    };
    int code = answer(a->file, &question);
    secret_wipe(bytes->data, bytes->len);
    return code;
}

static int run(struct arguments *a, int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct arguments *a);
    } commands[] = {{"token", add_token}, {"check", check}, {"explain", explain}};
    for (size_t i = 0; argc > 1 && i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int code = read_arguments(a, argc, argv);
            return code == EXIT_SUCCESS ? commands[i].run(a) : code;
        }
    }
    return refuse("token, check or explain is missing", "");
}

int access_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            printf("%s", usage);
            return EXIT_SUCCESS;
        }
    }
    size_t room = (size_t)argc;
    struct arguments a = {
        .roles = mem_array(room, sizeof a.roles[0]),
        .environments = mem_array(room, sizeof a.environments[0]),
        .services = mem_array(room, sizeof a.services[0]),
    };
    int code = run(&a, argc, argv);
    free(a.roles);
    free(a.environments);
    free(a.services);
    return code;
}
