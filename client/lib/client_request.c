#include "client_request.h"

#include "message.h"

static bool set(ProtobufCMessage *request, const struct request_option *option)
{
    if (option->text != NULL) {
        return message_set_text(request, option->name, option->text);
    }
    return option->is_bool ? message_set_bool(request, option->name, option->number != 0)
                           : message_set_number(request, option->name, option->number);
}

bool request_set(ProtobufCMessage *request, const struct request_option *options, size_t n,
                 struct status *st)
{
    for (const struct request_option *option = options; option < options + n; option++) {
        bool is_set = option->text != NULL || option->number != 0;
        if (is_set && !set(request, option)) {
            return status_bad_field(st, option->name, "OPTION_UNUSED",
                                    "this call has no such option");
        }
    }
    return true;
}

Confreg__V1__ReadOptions *request_read(bool linearizable, uint64_t min_revision, const char *epoch)
{
    ProtobufCMessage *read = message_new(&confreg__v1__read_options__descriptor);
    message_set_number(read, "min_revision", min_revision);
    message_set_text(read, "epoch", epoch);
    if (linearizable) {
        message_set_number(read, "consistency", CONFREG__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE);
    }
    return (Confreg__V1__ReadOptions *)read;
}
