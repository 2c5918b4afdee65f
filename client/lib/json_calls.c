/* Every method of the API, in JSON. */
#include <string.h>

#include "client_call.h"
#include "error.h"
#include "json_message.h"
#include "mem.h"
#include "message.h"
#include "options_size.h"

/* A call as it was asked for. */
struct asked {
    enum registry_method method;
    ProtobufCMessage *request; /* owned, until it is moved */
    int64_t timeout_ms;
};

static bool ask(const char *method, const char *request, size_t n,
                const struct confreg_call_options *options, struct asked *ret_asked,
                struct confreg_error *error)
{
    struct confreg_call_options own = CONFREG_CALL_OPTIONS_INIT;
    struct status st;
    if (!options_read(options, &own, sizeof own, error)) {
        return false;
    }
    if (method == NULL || !registry_method_find(method, &ret_asked->method)) {
        return error_set(error, STATUS_UNIMPLEMENTED, "METHOD_UNKNOWN",
                         "there is no such method, or it is a stream");
    }
    if (!json_message_read(registry_method_request(ret_asked->method),
                           request == NULL ? "{}" : request, request == NULL ? 2 : n,
                           &ret_asked->request, &st)) {
        return error_of(error, &st);
    }
    ret_asked->timeout_ms = own.timeout_ms;
    return true;
}

/* Frees the response. */
static struct confreg_text text_of(ProtobufCMessage *response)
{
    struct str text = {0};
    json_message_write(response, &text);
    message_free(response);
    return (struct confreg_text){text.data, text.len};
}

bool confreg_call(struct confreg_client *client, const char *method, const char *request, size_t n,
                  const struct confreg_call_options *options, struct confreg_text *ret_response,
                  struct confreg_error *error)
{
    struct asked asked;
    if (!client_check(client, true, error) || !ask(method, request, n, options, &asked, error)) {
        return false;
    }
    ProtobufCMessage *response =
        call_wait(client, asked.method, asked.request, asked.timeout_ms, error);
    if (response == NULL) {
        return false;
    }
    struct confreg_text text = text_of(response);
    if (ret_response == NULL) {
        confreg_text_free(&text);
    } else {
        *ret_response = text;
    }
    return true;
}

/* ---- With a callback ---- */

struct started {
    struct callback callback;
    struct confreg_client *client;
    confreg_call_done *done;
    void *user;
    ProtobufCMessage *response; /* owned; NULL: it has failed */
    struct confreg_error error;
};

static void tell(struct callback *callback)
{
    struct started *started = CONTAINER_OF(callback, struct started, callback);
    if (started->response == NULL) {
        started->done(started->user, NULL, &started->error);
    } else {
        struct confreg_text text = text_of(started->response);
        started->done(started->user, &text, NULL);
        confreg_text_free(&text);
    }
    free(started);
}

static void finished(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct started *started = user;
    started->response = response;
    if (response == NULL) {
        error_of(&started->error, st);
    }
    callbacks_post(started->client->callbacks, &started->callback);
}

void confreg_call_start(struct confreg_client *client, const char *method, const char *request,
                        size_t n, const struct confreg_call_options *options,
                        confreg_call_done *done, void *user)
{
    struct started *started = mem_zalloc(sizeof *started);
    *started = (struct started){.callback.run = tell, .client = client, .done = done, .user = user};
    struct asked asked;
    if (!client_check(client, false, &started->error)) {
        tell(&started->callback); /* the thread of callbacks is not in this process */
    } else if (!ask(method, request, n, options, &asked, &started->error)) {
        callbacks_post(client->callbacks, &started->callback);
    } else {
        call_start(client, asked.method, asked.request, asked.timeout_ms, finished, started);
    }
}
