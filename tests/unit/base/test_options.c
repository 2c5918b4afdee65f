#include "options.h"

#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "leak_check.h"
#include "mem.h"
#include "options_value.h"
#include "str.h"

TestSuite(options, .fini = leak_check);

static struct settings {
    const char *listen;
    const char *store;
    uint64_t port;
    uint64_t batch;
    uint64_t payload;
    uint64_t memory;
    int64_t drain;
    int64_t poll;
    struct option_list hosts;
    bool insecure;
    bool audit;
} got;

static const struct option_row rows[] = {
    {"listen", OPTION_TEXT, &got.listen, "127.0.0.1:50051", "ADDRESS",
     "Where to listen: HOST:PORT or unix:PATH. Without a token file only loopback and unix sockets "
     "are served.",
     0, 0, NULL},
    {"store", OPTION_TEXT, &got.store, NULL, "URI", "Where the log is kept.", 0, 0, NULL},
    {.kind = OPTION_HEADING, .help = "Limits:"},
    {"http-port", OPTION_NUMBER, &got.port, "8000", "PORT", "The port.", 1, 65535, "HTTP_PORT"},
    {"batch", OPTION_NUMBER, &got.batch, NULL, NULL, "Commits in one append.", 0, 0, NULL},
    {"max-payload", OPTION_BYTES, &got.payload, "1M", NULL, "The largest config.", 1024, 1 << 30,
     NULL},
    {"memory", OPTION_BYTES, &got.memory, NULL, NULL, "Window for watches.", 0, 0, NULL},
    {"drain-time-of-all-open-streams", OPTION_DURATION, &got.drain, "10s", NULL,
     "How long calls may go on after a signal to stop.", 1000, 0, NULL},
    {"poll", OPTION_DURATION, &got.poll, NULL, NULL, "Größe — übrige Wörter zählen als Zeichen.", 0,
     60000, NULL},
    {"host", OPTION_LIST, &got.hosts, NULL, "NAME", "A host.", 0, 0, NULL},
    {"insecure", OPTION_SWITCH, &got.insecure, NULL, NULL, "Serve everyone.", 0, 0, NULL},
    {"audit", OPTION_SWITCH, &got.audit, "yes", NULL, "Keep an audit.", 0, 0, "OLD_AUDIT"},
};

static const struct option_table table = {
    "confregd", "The configuration registry's server.", "CONFREG", rows, COUNT_OF(rows), NULL};

struct parsed {
    enum options_result result;
    char out[8192];
    char err[1024];
};

/* Parses a command line of words parted by blanks. */
static struct parsed parse(const char *line)
{
    static char words[512];
    char *argv[32] = {strcpy(words, "confregd")};
    int argc = 1;
    strcpy(words + 16, line);
    for (char *w = strtok(words + 16, " "); w != NULL; w = strtok(NULL, " ")) {
        argv[argc++] = w;
    }
    static struct option_list hosts; /* of the last call */
    option_list_fini(&hosts);
    memset(&got, 0x55, sizeof got);
    struct parsed o;
    struct capture out = capture_start(STDOUT_FILENO);
    struct capture err = capture_start(STDERR_FILENO);
    o.result = options_parse(&table, argc, argv);
    hosts = got.hosts;
    capture_end(&err, o.err, sizeof o.err);
    capture_end(&out, o.out, sizeof o.out);
    return o;
}

static void accept(const char *line)
{
    struct parsed o = parse(line);
    cr_assert(o.result == OPTIONS_RUN && o.out[0] == '\0' && o.err[0] == '\0', "%s: %s", line,
              o.err);
}

static void refuse(const char *line, const char *message)
{
    struct parsed o = parse(line);
    char wanted[1100];
    snprintf(wanted, sizeof wanted, "confregd: %s\n", message);
    cr_expect_eq(o.result, OPTIONS_EXIT_USAGE, "%s", line);
    cr_expect_str_eq(o.out, "");
    cr_expect_str_eq(o.err, wanted);
}

Test(options, defaults)
{
    accept("");
    cr_expect_str_eq(got.listen, "127.0.0.1:50051");
    cr_expect_null(got.store);
    cr_expect(got.port == 8000 && got.batch == 0);
    cr_expect(got.payload == 1 << 20 && got.memory == 0);
    cr_expect(got.drain == 10000 && got.poll == 0);
    cr_expect(got.insecure == false && got.audit == true);
    cr_expect_eq(got.hosts.n, 0);
}

Test(options, flags_in_both_spellings)
{
    accept("--listen unix:/x --store=sqlite:a=b --http-port 1 --batch=18446744073709551615 "
           "--max-payload 2K --memory=3G --drain-time-of-all-open-streams 1m --poll=250ms "
           "--insecure --audit=off");
    cr_expect_str_eq(got.listen, "unix:/x");
    cr_expect_str_eq(got.store, "sqlite:a=b");
    cr_expect(got.port == 1 && got.batch == UINT64_MAX);
    cr_expect(got.payload == 2048 && got.memory == 3ull << 30);
    cr_expect(got.drain == 60000 && got.poll == 250);
    cr_expect(got.insecure == true && got.audit == false);
}

Test(options, values_at_their_edges)
{
    accept("--http-port=65535 --max-payload=1G --drain-time-of-all-open-streams=1000ms "
           "--poll=1m --memory=17179869183G --listen=");
    cr_expect(got.port == 65535 && got.payload == 1 << 30 && got.drain == 1000);
    cr_expect(got.poll == 60000 && got.memory == 17179869183ull << 30);
    cr_expect_str_eq(got.listen, "");
    accept("--drain-time-of-all-open-streams=2562047788015h --batch 000");
    cr_expect(got.drain == 2562047788015 * 3600000 && got.batch == 0);
    accept("--store -x");
    cr_expect_str_eq(got.store, "-x");
}

Test(options, the_last_of_a_repeated_flag_counts)
{
    accept("--http-port 1 --http-port 2 --insecure --insecure=no");
    cr_expect(got.port == 2 && got.insecure == false);
}

static void expect_hosts(const char *joined)
{
    AUTO_STR found = {0};
    for (size_t i = 0; i < got.hosts.n; i++) {
        str_addf(&found, "%s|", got.hosts.texts[i]);
    }
    cr_expect_str_eq(str_text(&found), joined);
}

/* The flags' list replaces that of the variable. */
Test(options, lists)
{
    setenv("CONFREG_HOST", " x, y\tz,,", 1);
    accept("");
    expect_hosts("x|y|z|");
    accept("--host a --host=b,c --host=");
    expect_hosts("a|b|c|");
    accept("--host ,");
    expect_hosts("");
    refuse("--host", "--host needs a value: --host NAME");
    accept("");
}

Test(options, variables)
{
    setenv("CONFREG_LISTEN", "0.0.0.0:1", 1);
    setenv("CONFREG_HTTP_PORT", "9", 1);
    setenv("CONFREG_DRAIN_TIME_OF_ALL_OPEN_STREAMS", "2h", 1);
    setenv("CONFREG_INSECURE", "TRUE", 1);
    setenv("OLD_AUDIT", "0", 1);
    accept("");
    cr_expect_str_eq(got.listen, "0.0.0.0:1");
    cr_expect(got.port == 9 && got.drain == 7200000);
    cr_expect(got.insecure == true && got.audit == false);
}

Test(options, flag_beats_variable_beats_old_variable)
{
    setenv("HTTP_PORT", "1", 1);
    accept("");
    cr_expect_eq(got.port, 1);
    setenv("CONFREG_HTTP_PORT", "2", 1);
    accept("");
    cr_expect_eq(got.port, 2);
    accept("--http-port 3");
    cr_expect_eq(got.port, 3);
}

Test(options, a_variable_that_loses_is_not_judged)
{
    setenv("HTTP_PORT", "none", 1);
    setenv("CONFREG_HTTP_PORT", "2", 1);
    accept("");
    setenv("CONFREG_HTTP_PORT", "none", 1);
    accept("--http-port 3");
    cr_expect_eq(got.port, 3);
}

Test(options, an_empty_variable_is_not_set)
{
    setenv("CONFREG_HTTP_PORT", "", 1);
    setenv("CONFREG_LISTEN", "", 1);
    accept("");
    cr_expect_eq(got.port, 8000);
    cr_expect_str_eq(got.listen, "127.0.0.1:50051");
    setenv("HTTP_PORT", "4", 1);
    accept("");
    cr_expect_eq(got.port, 4);
}

/* The variables that Kubernetes sets in each pod for a Service named "confreg-http" or "http". */
Test(options, a_link_to_a_service_is_not_set)
{
    static const char *const links[] = {"tcp://10.0.0.1:8000", "udp://10.0.0.1:53",
                                        "sctp://10.0.0.1:1", "tcp://[fd00::1]:8000"};
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        setenv("CONFREG_HTTP_PORT", links[i], 1);
        setenv("HTTP_PORT", links[i], 1);
        struct parsed o = parse("");
        cr_expect_eq(o.result, OPTIONS_RUN, "%s: %s", links[i], o.err);
        cr_expect_eq(got.port, 8000);
        cr_expect_not_null(strstr(o.err, "event=variable_ignored variable=CONFREG_HTTP_PORT"));
        cr_expect_not_null(strstr(o.err, "event=variable_ignored variable=HTTP_PORT"));
    }
    setenv("HTTP_PORT", "4", 1);
    cr_expect(parse("").result == OPTIONS_RUN && got.port == 4);
}

/* Each option, whatever it takes. */
Test(options, a_link_to_a_service_sets_no_option)
{
    for (size_t i = 0; i < table.n_rows; i++) {
        if (rows[i].kind != OPTION_HEADING) {
            AUTO_STR name = {0};
            option_variable(&table, &rows[i], &name);
            setenv(name.data, "tcp://10.0.0.1:1", 1);
        }
    }
    struct parsed o = parse("");
    cr_assert_eq(o.result, OPTIONS_RUN, "%s", o.err);
    cr_expect_str_eq(got.listen, "127.0.0.1:50051");
    cr_expect(got.store == NULL && got.port == 8000 && got.drain == 10000 && got.audit == true);
}

Test(options, what_only_resembles_a_link_is_judged)
{
    static const char *const texts[] = {
        "tcp://",           "tcp://10.0.0.1",    "tcp://10.0.0.1:", "tcp://:1",
        "tcp://10.0.0.1:x", "http://10.0.0.1:1", "tcp:10.0.0.1:1"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        setenv("CONFREG_HTTP_PORT", texts[i], 1);
        cr_expect_eq(parse("").result, OPTIONS_EXIT_USAGE, "%s", texts[i]);
    }
    unsetenv("CONFREG_HTTP_PORT");
    cr_expect_eq(parse("--http-port tcp://10.0.0.1:8000").result, OPTIONS_EXIT_USAGE);
}

Test(options, switch_words)
{
    static const char *const words[][2] = {
        {"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"NO", "Yes"}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (size_t value = 0; value < 2; value++) {
            setenv("CONFREG_INSECURE", words[i][value], 1);
            accept("");
            cr_expect_eq(got.insecure, value == 1, "%s", words[i][value]);
        }
    }
}

Test(options, bad_flags)
{
    static const char *const cases[][2] = {
        {"--http-port 0", "--http-port: \"0\" is not a number from 1 to 65535"},
        {"--http-port 65536", "--http-port: \"65536\" is not a number from 1 to 65535"},
        {"--http-port=", "--http-port: \"\" is not a number from 1 to 65535"},
        {"--http-port=-1", "--http-port: \"-1\" is not a number from 1 to 65535"},
        {"--http-port +1", "--http-port: \"+1\" is not a number from 1 to 65535"},
        {"--http-port 8x", "--http-port: \"8x\" is not a number from 1 to 65535"},
        {"--http-port 0x8", "--http-port: \"0x8\" is not a number from 1 to 65535"},
        {"--batch 18446744073709551616", "--batch: \"18446744073709551616\" is not a number"},
        {"--batch 99999999999999999999", "--batch: \"99999999999999999999\" is not a number"},
        {"--batch 1K", "--batch: \"1K\" is not a number"},
        {"--max-payload 1023",
         "--max-payload: \"1023\" is not a size from 1K to 1G (in bytes or with K, M or G)"},
        {"--max-payload 1025M",
         "--max-payload: \"1025M\" is not a size from 1K to 1G (in bytes or with K, M or G)"},
        {"--max-payload 2k",
         "--max-payload: \"2k\" is not a size from 1K to 1G (in bytes or with K, M or G)"},
        {"--memory 17179869184G",
         "--memory: \"17179869184G\" is not a size (in bytes or with K, M or G)"},
        {"--memory K", "--memory: \"K\" is not a size (in bytes or with K, M or G)"},
        {"--memory 1MB", "--memory: \"1MB\" is not a size (in bytes or with K, M or G)"},
        {"--drain-time-of-all-open-streams 999ms",
         "--drain-time-of-all-open-streams: \"999ms\" is not a duration of at least 1s (with ms, "
         "s, m or h)"},
        {"--poll 10", "--poll: \"10\" is not a duration from 0ms to 1m (with ms, s, m or h)"},
        {"--poll 1.5s", "--poll: \"1.5s\" is not a duration from 0ms to 1m (with ms, s, m or h)"},
        {"--poll 61s", "--poll: \"61s\" is not a duration from 0ms to 1m (with ms, s, m or h)"},
        {"--drain-time-of-all-open-streams 2562047788016h",
         "--drain-time-of-all-open-streams: \"2562047788016h\" is not a duration of at least 1s "
         "(with ms, s, m or h)"},
        {"--insecure=maybe",
         "--insecure: \"maybe\" is not one of true, false, yes, no, on, off, 1 and 0"},
        {"--insecure=", "--insecure: \"\" is not one of true, false, yes, no, on, off, 1 and 0"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse(cases[i][0], cases[i][1]);
    }
}

Test(options, bad_command_lines)
{
    static const char *const cases[][2] = {
        {"--lissten x", "unknown option --lissten; --help lists all"},
        {"--lissten=secret", "unknown option --lissten; --help lists all"},
        {"--liste x", "unknown option --liste; --help lists all"},
        {"--", "unknown option --; --help lists all"},
        {"-l x", "unexpected argument \"-l\"; --help lists the options"},
        {"--insecure yes", "unexpected argument \"yes\"; --help lists the options"},
        {"run", "unexpected argument \"run\"; --help lists the options"},
        {"--listen", "--listen needs a value: --listen ADDRESS"},
        {"--listen --insecure", "--listen needs a value: --listen ADDRESS"},
        {"--max-payload", "--max-payload needs a value: --max-payload SIZE"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse(cases[i][0], cases[i][1]);
    }
}

Test(options, bad_variables_are_named)
{
    setenv("HTTP_PORT", "99999", 1);
    refuse("", "HTTP_PORT: \"99999\" is not a number from 1 to 65535");
    setenv("CONFREG_HTTP_PORT", "x", 1);
    refuse("", "CONFREG_HTTP_PORT: \"x\" is not a number from 1 to 65535");
}

Test(options, version)
{
    struct parsed o = parse("--version");
    cr_expect_eq(o.result, OPTIONS_EXIT_OK);
    cr_expect_str_eq(o.out, "confregd " CONFREG_VERSION "\n");
    cr_expect_str_eq(o.err, "");
}

Test(options, help)
{
    struct parsed o = parse("--insecure --help");
    cr_expect_eq(o.result, OPTIONS_EXIT_OK);
    cr_expect_str_eq(o.err, "");
    cr_expect_str_eq(
        o.out, "Usage: confregd [OPTION]...\n"
               "\n"
               "The configuration registry's server.\n"
               "\n"
               "Options:\n"
               "  --listen ADDRESS    Where to listen: HOST:PORT or unix:PATH. Without a token\n"
               "                      file only loopback and unix sockets are served.\n"
               "                      [CONFREG_LISTEN; default 127.0.0.1:50051]\n"
               "  --store URI         Where the log is kept.\n"
               "                      [CONFREG_STORE]\n"
               "\n"
               "Limits:\n"
               "  --http-port PORT    The port.\n"
               "                      [CONFREG_HTTP_PORT or HTTP_PORT; 1 to 65535; default 8000]\n"
               "  --batch NUMBER      Commits in one append.\n"
               "                      [CONFREG_BATCH]\n"
               "  --max-payload SIZE  The largest config.\n"
               "                      [CONFREG_MAX_PAYLOAD; 1K to 1G; default 1M]\n"
               "  --memory SIZE       Window for watches.\n"
               "                      [CONFREG_MEMORY]\n"
               "  --drain-time-of-all-open-streams DURATION\n"
               "                      How long calls may go on after a signal to stop.\n"
               "                      [CONFREG_DRAIN_TIME_OF_ALL_OPEN_STREAMS; at least 1s;\n"
               "                      default 10s]\n"
               "  --poll DURATION     Größe — übrige Wörter zählen als Zeichen.\n"
               "                      [CONFREG_POLL; 0ms to 1m]\n"
               "  --host NAME         A host.\n"
               "                      [CONFREG_HOST; repeatable]\n"
               "  --insecure          Serve everyone.\n"
               "                      [CONFREG_INSECURE]\n"
               "  --audit             Keep an audit.\n"
               "                      [CONFREG_AUDIT or OLD_AUDIT; default yes]\n"
               "\n"
               "Other:\n"
               "  --help              Print this page and exit.\n"
               "  --version           Print the version and exit.\n"
               "\n"
               "Each option can also be set by the environment variable in its brackets; the\n"
               "command line wins. A number of bytes may have the suffix K, M or G, in powers of\n"
               "1024. A time needs a suffix: ms, s, m or h. Options marked as repeatable add up;\n"
               "blanks or commas separate their values in one text.\n");
}

Test(options, help_of_an_empty_table)
{
    static const struct option_table empty = {"tool", "Does nothing.", "TOOL", NULL, 0, NULL};
    char name[] = "tool", flag[] = "--help", out[1024];
    char *argv[] = {name, flag, NULL};
    struct capture c = capture_start(STDOUT_FILENO);
    enum options_result result = options_parse(&empty, 2, argv);
    capture_end(&c, out, sizeof out);
    cr_expect_eq(result, OPTIONS_EXIT_OK);
    cr_expect_str_eq(out, "Usage: tool [OPTION]...\n\nDoes nothing.\n\nOther:\n"
                          "  --help     Print this page and exit.\n"
                          "  --version  Print the version and exit.\n");
}

/* The words of a line may take 80 columns with the blanks between them, and no more. */
Test(options, help_fills_lines_to_the_last_column)
{
    AUTO_STR summary = {0};
    for (int i = 0; i < 39; i++) {
        str_add_text(&summary, "x ");
    }
    str_add_text(&summary, "yz ");
    for (int i = 0; i < 41; i++) {
        str_add_text(&summary, "u ");
    }
    const struct option_table one = {"tool", summary.data, "TOOL", NULL, 0, NULL};
    char name[] = "tool", flag[] = "--help", out[1024];
    char *argv[] = {name, flag, NULL};
    struct capture c = capture_start(STDOUT_FILENO);
    options_parse(&one, 2, argv);
    capture_end(&c, out, sizeof out);
    const char *line = strstr(out, "x x");
    cr_assert_not_null(line);
    static const size_t widths[] = {80, 79, 1, 0};
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        size_t width = strcspn(line, "\n");
        cr_expect_eq(width, widths[i], "line %zu has %zu columns", i, width);
        line += width + 1;
    }
}

Test(options, no_line_of_help_is_wider_than_80)
{
    struct parsed o = parse("--help");
    for (char *line = strtok(o.out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t columns = 0;
        for (const char *p = line; *p != '\0'; p++) {
            columns += ((unsigned char)*p & 0xC0) != 0x80;
        }
        cr_expect(columns <= 80 && line[strlen(line) - 1] != ' ', "%s", line);
    }
}
