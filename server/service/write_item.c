#include "write_item.h"

#include <string.h>

#include "encode.h"
#include "utf8.h"

void write_item_fini(struct write_item *w)
{
    mutations_fini(&w->mutations);
    staged_free(w->write.staged);
    free(w->comment);
    free(w->created_by);
    free(w->request_id);
}

void write_item_answer(const struct write_item *w, struct answer *answer)
{
    answer_add(answer, answer_header(w->service, &w->write.position));
    w->form->answer(w, answer);
}

static bool check_text(const ProtobufCMessage *request, size_t member, size_t max,
                       const char *field, struct status *st)
{
    const char *text = write_text(request, member);
    return text_check(text, strlen(text), max, field, st);
}

static bool check_author(const struct write_form *form, const ProtobufCMessage *request,
                         struct status *st)
{
    if (write_flag(request, form->created_by_empty) &&
        write_text(request, form->created_by)[0] != '\0') {
        return status_bad_field(st, "created_by_empty", "CREATED_BY_EMPTY",
                                "created_by_empty: not together with created_by");
    }
    return check_text(request, form->created_by, AUTHOR_MAX_BYTES, "created_by", st);
}

/* A hash of the method and the whole request: a repeat of a request_id must have the same. */
static struct hash fingerprint(const ProtobufCMessage *request)
{
    const char *name = request->descriptor->name;
    AUTO(buf_unref) struct buf *bytes = encode_message(request);
    return hash_two(name, strlen(name) + 1, bytes->data, bytes->len);
}

static void fill_command(struct write_item *w, struct rpc_call *call,
                         const ProtobufCMessage *request)
{
    const char *author = write_author(w->form, request);
    w->comment = mem_string(write_text(request, w->form->comment));
    w->request_id = mem_string(write_text(request, w->form->request_id));
    w->created_by = author == NULL ? NULL : mem_string(author);
    w->write.command = (struct command){
        .actor = "",
        .peer = rpc_call_peer(call),
        .comment = w->comment,
        .request_id = w->request_id,
        .created_by = w->created_by,
        .mutations = w->mutations.items,
        .n_mutations = w->mutations.n,
        .limits = w->service->limits,
    };
    if (w->request_id[0] != '\0') {
        w->write.command.fingerprint = fingerprint(request);
    }
    w->write.validate_only = write_flag(request, w->form->validate_only);
    w->write.bytes = w->mutations.payload_bytes + strlen(w->comment);
    w->write.deadline_ns = rpc_call_deadline(call);
}

bool write_item_init(struct write_item *w, struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, struct status *st)
{
    const struct write_form *form = write_form_of(request);
    *w = (struct write_item){.service = service, .form = form};
    if (!form->mutations(service, form, request, &w->mutations, st) ||
        !check_text(request, form->comment, COMMENT_MAX_BYTES, "comment", st) ||
        !check_author(form, request, st) ||
        !check_text(request, form->request_id, REQUEST_ID_MAX_BYTES, "request_id", st)) {
        return false;
    }
    fill_command(w, call, request);
    return true;
}
