/* The chain of an audit log's lines. Each line is a JSON object that begins with its number and the
 * hash of the line before:
 *
 *     {"seq":17,"prev":"<SHA-256 of line 16, without its newline, as 64 hexadecimal digits>", … }
 *
 * The first line has the number 1 and zeros. Who changes, removes, adds or moves a line has to
 * change all lines after it; a hash that was noted elsewhere shows that, too.
 *
 * Pure; any thread. */
#ifndef AUDIT_CHAIN_H
#define AUDIT_CHAIN_H

#include "hash.h"
#include "str.h"

/* The newest line. All zero: there is none. */
struct chain {
    uint64_t seq;
    struct hash hash;
};

/* Appends the next line to out, with its newline, and moves the chain on. members: those of a JSON
 * object, without braces and newlines, at least one. */
void chain_add(struct chain *chain, const char *members, size_t n, struct str *out);

/* Reads the number and the hash of the line before. False: the line is none of a chain. */
bool chain_parse(const char *line, size_t n, uint64_t *ret_seq, struct hash *ret_previous);

/* Whether the line is the next one. */
bool chain_accepts(const struct chain *chain, const char *line, size_t n);
/* Moves the chain to a line, whatever was before. False: it is none. */
bool chain_move(struct chain *chain, const char *line, size_t n);
/* Whether a text is the beginning of a line, cut off anywhere. Moves the chain to before that line
 * if so much of it is there. */
bool chain_move_before(struct chain *chain, const char *text, size_t n);

/* "17:0123…": what a chain is compared with later. */
#define CHAIN_TEXT_SIZE (20 + 1 + 2 * HASH_SIZE + 1)
void chain_format(const struct chain *chain, char text[CHAIN_TEXT_SIZE]);

#endif
