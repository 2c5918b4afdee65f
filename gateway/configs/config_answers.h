/* Shared by the answers of several handlers. */
#ifndef GATEWAY_CONFIG_ANSWERS_H
#define GATEWAY_CONFIG_ANSWERS_H

#include "config_request.h"

/* Versions that no config ever has. Two, so that a refused diff tells which one was meant. */
#define VERSION_NEVER (UINT64_MAX - 1)
#define VERSION_NEVER_EITHER UINT64_MAX

/* Adds ETag, X-Config-Version and X-Config-Revision; tag is without quotes. version 0: none.
 * coding: of the form that is sent, or that the client of a 304 has; plain if packer.h chooses the
 * form. */
void config_answer_add_tag(struct request *r, uint64_t version, const char *tag,
                           enum coding coding);
/* Whether a part of the server's response is there (not NULL). If not, answers the request as
 * config_answer_incomplete does. */
bool config_answer_is_whole(struct request *r, const void *part);
/* Answers 500: the server's response lacks something that the protocol promises. */
void config_answer_incomplete(struct request *r);
/* The payload of a config that the server was asked for; borrowed from the response. False: the
 * call failed, or the payload is not there; that was answered instead. */
bool config_answer_payload(struct request *r, const Confreg__V1__GetConfigResponse *response,
                           const struct status *st, struct json_text *ret_payload);

/* The server's answer to a write that makes a version. config and diff may be NULL. */
struct config_written {
    const Confreg__V1__Position *header;
    const Confreg__V1__Config *config;
    const Confreg__V1__Diff *diff; /* of a write with validate_only */
    Confreg__V1__Suspect **suspects;
    size_t n_suspects;
};
#define CONFIG_WRITTEN(response)                                                                   \
    (struct config_written)                                                                        \
    {                                                                                              \
        (response)->header, (response)->config, (response)->diff, (response)->suspects,            \
            (response)->n_suspects                                                                 \
    }
/* Adds X-Confreg-Warning, with the place and the rule of each suspect that was not allowed. */
void config_answer_warn(struct request *r, Confreg__V1__Suspect **suspects, size_t n);
/* Answers with the document, counts the change, and hands its position out. With validate_only: 200
 * with the document that would be and its difference from the head, and nothing else. */
void config_answer_written(struct request *r, unsigned status,
                           const struct config_written *written);

/* A body that is an object with a list: {"revision": 42, "LIST": […], "next": null}. Begins it with
 * a page of the server, whose header is NULL where the call failed or the response is incomplete;
 * false: that was answered instead. */
bool config_answer_begin_page(struct request *r, const Confreg__V1__Position *header,
                              const struct status *st, const char *list);
/* Ends it: adds `next`, the token of the next page or null, and Link; answers 200. */
void config_answer_end_page(struct request *r, const char *next_token);
/* The same, after the list was closed and other members were added. */
void config_answer_end_document(struct request *r, const char *next_token);

/* Counts an answer from a mirror in this state. */
void config_answer_count_mirror(struct request *r, const struct mirror_view *view);

/* The minimum revision that the request asks for, in *read; NULL if it asks for none. */
Confreg__V1__ReadOptions *config_answer_read_options(struct request *r,
                                                     Confreg__V1__ReadOptions *read);

/* Notes that the current answer is as of this position: no later answer may be older. */
void config_answer_hand_out(struct request *r, const Confreg__V1__Position *header);
/* The same for a write: also delays its answer until the mirror has the write, for a bounded time.
 */
void config_answer_hand_out_when_seen(struct request *r, const Confreg__V1__Position *header);

/* Says by a header that the answer has only what the caller may read, if filtered. */
void config_answer_note_filtered(struct request *r, bool filtered);

#endif
