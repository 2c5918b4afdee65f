#include "audit_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

#define EXIT_UNREADABLE 1
#define EXIT_BROKEN 2

struct line_place {
    const char *path;
    uint64_t line; /* from 1 */
};

struct verification {
    FILE *out;
    const char *head; /* NULL: any */
    bool head_found;
    struct chain chain;   /* up to the last line that is one */
    struct line_place at; /* of that line */
    uint64_t first_seq;   /* 0: no line yet */
    uint64_t n_lines;
    struct line_place
        odd;           /* a line since then that is none of the chain; path NULL: there is none */
    bool odd_is_cut;   /* it has no newline */
    bool odd_is_begun; /* it is the beginning of a line */
    bool broken;
};

static void say(struct verification *v, const struct line_place *place, const char *what)
{
    fprintf(v->out, "%s:%" PRIu64 ": %s\n", place->path, place->line, what);
}

static void say_broken(struct verification *v, const struct line_place *place, const char *what)
{
    v->broken = true;
    say(v, place, what);
}

/* The line before `place` and this one do not fit. */
static void say_gap(struct verification *v, const struct line_place *place, uint64_t seq,
                    const struct hash *previous)
{
    uint64_t last = v->chain.seq;
    char text[160];
    if (seq == last + 1) {
        snprintf(text, sizeof text,
                 "line %" PRIu64 " was changed: its hash is not the one that line %" PRIu64 " has",
                 last, seq);
        say_broken(v, last == 0 ? place : &v->at, text);
    } else if (seq > last + 1) {
        snprintf(text, sizeof text, "lines %" PRIu64 " to %" PRIu64 " are missing", last + 1,
                 seq - 1);
        say_broken(v, v->odd.path == NULL ? place : &v->odd, text);
    } else {
        static const struct hash none;
        snprintf(text, sizeof text, "line %" PRIu64 " follows line %" PRIu64 ": %s", seq, last,
                 seq == 1 && hash_equal(previous, &none)
                     ? "another log begins"
                     : "the order is wrong, or it is there twice");
        say_broken(v, place, text);
    }
}

static void say_unfinished(struct verification *v, bool is_begun)
{
    if (is_begun) {
        say(v, &v->odd, "note: a line was begun and not finished");
    } else {
        say_broken(v, &v->odd, "this is no line of an audit log");
    }
}

static void take_odd(struct verification *v, const struct line_place *place, const char *line,
                     size_t n, bool is_cut)
{
    struct chain before = v->chain;
    if (v->odd.path != NULL) {
        say_unfinished(v, v->odd_is_begun);
    }
    v->odd = *place;
    v->odd_is_cut = is_cut;
    v->odd_is_begun = chain_move_before(&before, line, n);
    if (v->first_seq == 0) {
        v->chain = before; /* the first line of a rotated file was cut off */
    }
}

/* The next line fits: the odd one was begun and not finished, because of a crash, a full disk or a
 * rotation. */
static void pass_odd(struct verification *v)
{
    if (v->odd.path != NULL) {
        say(v, &v->odd, "note: a line was begun and not finished; none is missing");
    }
    v->odd.path = NULL;
}

static void check_head(struct verification *v)
{
    char text[CHAIN_TEXT_SIZE];
    if (v->head != NULL && !v->head_found) {
        chain_format(&v->chain, text);
        v->head_found = strcmp(text, v->head) == 0;
    }
}

static void take_line(struct verification *v, const struct line_place *place, const char *line,
                      size_t n, bool is_cut)
{
    uint64_t seq;
    struct hash previous;
    if (is_cut || !chain_parse(line, n, &seq, &previous)) {
        take_odd(v, place, line, n, is_cut);
        return;
    }
    bool begins_within = v->first_seq == 0 && seq != 1;
    if ((begins_within && v->odd.path == NULL) || chain_accepts(&v->chain, line, n)) {
        pass_odd(v);
    } else {
        say_gap(v, place, seq, &previous);
        v->odd.path = NULL;
    }
    v->first_seq = v->first_seq == 0 ? seq : v->first_seq;
    chain_move(&v->chain, line, n);
    v->at = *place;
    v->n_lines++;
    check_head(v);
}

static bool take_file(struct verification *v, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(v->out, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    struct line_place place = {path, 0};
    while ((n = getline(&line, &room, file)) > 0) {
        bool is_cut = line[n - 1] != '\n';
        place.line++;
        take_line(v, &place, line, (size_t)n - (is_cut ? 0 : 1), is_cut);
    }
    bool failed = ferror(file) != 0;
    if (failed) {
        fprintf(v->out, "%s: cannot be read\n", path);
    }
    free(line);
    fclose(file);
    return !failed;
}

/* At the end of all files. */
static void finish(struct verification *v)
{
    char head[CHAIN_TEXT_SIZE];
    if (v->odd.path != NULL) {
        say_unfinished(v, v->odd_is_cut);
    }
    if (v->head != NULL && !v->head_found) {
        v->broken = true;
        fprintf(v->out,
                "no line has the head %s: lines were removed at the end, or all were made "
                "anew\n",
                v->head);
    }
    chain_format(&v->chain, head);
    fprintf(v->out, "%s: %" PRIu64 " lines, %" PRIu64 " to %" PRIu64 ", head %s\n",
            v->broken ? "BROKEN" : "whole", v->n_lines, v->first_seq, v->chain.seq, head);
}

int audit_verify(char *const *paths, int n, const char *head, FILE *out)
{
    struct verification v = {.out = out, .head = head};
    for (int i = 0; i < n; i++) {
        if (!take_file(&v, paths[i])) {
            return EXIT_UNREADABLE;
        }
    }
    finish(&v);
    return v.broken ? EXIT_BROKEN : EXIT_SUCCESS;
}
