/* Health and reflection. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "leak_check.h"

static void teardown(void)
{
    fixture_teardown();
    leak_check();
}

TestSuite(health, .init = fixture_setup, .fini = teardown, .timeout = 240);
TestSuite(reflection, .init = fixture_setup, .fini = teardown, .timeout = 240);

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

/* ---- Check and List ---- */

static int check(const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)service;
    AUTO_ANSWER answer =
        call_and_wait(fixture.client, &(struct rpc_request){.path = "/grpc.health.v1.Health/Check",
                                                            .message = &request.base});
    if (!answer.ok) {
        cr_expect_eq(answer.st.code, STATUS_NOT_FOUND);
        return -1;
    }
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, answer.bytes->len,
                                                        answer.bytes->data);
    int status = (int)response->status;
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    return status;
}

Test(health, checks_follow_set_serving)
{
    cr_expect_eq(check(""), STATUS(NOT_SERVING));
    rpc_server_set_serving(fixture.server, true);
    cr_expect_eq(check(""), STATUS(SERVING));
    cr_expect_eq(check("rpc.test.Echo"), STATUS(SERVING));
    cr_expect_eq(check("rpc.test.Nobody"), -1);
    rpc_server_set_serving(fixture.server, false);
    cr_expect_eq(check("rpc.test.Echo"), STATUS(NOT_SERVING));
}

Test(health, the_list_has_every_service)
{
    Grpc__Health__V1__HealthListRequest request = GRPC__HEALTH__V1__HEALTH_LIST_REQUEST__INIT;
    rpc_server_set_serving(fixture.server, true);
    AUTO_ANSWER answer =
        call_and_wait(fixture.client, &(struct rpc_request){.path = "/grpc.health.v1.Health/List",
                                                            .message = &request.base});
    cr_assert(answer.ok, "%s", answer.st.message);
    Grpc__Health__V1__HealthListResponse *response =
        grpc__health__v1__health_list_response__unpack(NULL, answer.bytes->len, answer.bytes->data);
    cr_assert_eq(response->n_statuses, 5);
    cr_expect_str_empty(response->statuses[0]->key);
    cr_expect_str_eq(response->statuses[1]->key, "rpc.test.Echo");
    for (size_t i = 0; i < response->n_statuses; i++) {
        cr_expect_eq(response->statuses[i]->value->status, STATUS(SERVING));
    }
    grpc__health__v1__health_list_response__free_unpacked(response, NULL);
}

/* ---- Watch ---- */

struct health_watch {
    int seen[8];
    struct counter messages;
    struct counter ended;
    enum status_code code;
};

static bool take_status(void *user, const uint8_t *bytes, size_t size)
{
    struct health_watch *watch = user;
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, size, bytes);
    watch->seen[counter_get(&watch->messages)] = (int)response->status;
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    counter_add(&watch->messages);
    return true;
}

static void take_end(void *user, const struct status *st)
{
    struct health_watch *watch = user;
    watch->code = st == NULL ? STATUS_OK : st->code;
    counter_add(&watch->ended);
}

static void start_watch(struct health_watch *watch, const char *service)
{
    static const struct rpc_client_stream_ops ops = {take_status, take_end};
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)service;
    counter_init(&watch->messages);
    counter_init(&watch->ended);
    rpc_client_stream(
        fixture.client,
        &(struct rpc_request){.path = "/grpc.health.v1.Health/Watch", .message = &request.base},
        &ops, watch);
    counter_wait(&watch->messages, 1);
}

Test(health, a_watch_tells_changes_and_the_end)
{
    struct health_watch watch = {0};
    struct health_watch unknown = {0};
    start_watch(&watch, "rpc.test.Echo");
    start_watch(&unknown, "rpc.test.Nobody");
    rpc_server_set_serving(fixture.server, true);
    counter_wait(&watch.messages, 2);
    rpc_server_set_serving(fixture.server, true); /* no change, no message */
    rpc_server_set_serving(fixture.server, false);
    counter_wait(&watch.messages, 3);
    rpc_server_set_serving(fixture.server, true);
    counter_wait(&watch.messages, 4);
    rpc_server_stop(fixture.server, 5000);
    counter_wait(&watch.ended, 1);
    counter_wait(&unknown.ended, 1);
    static const int told[] = {STATUS(NOT_SERVING), STATUS(SERVING), STATUS(NOT_SERVING),
                               STATUS(SERVING), STATUS(NOT_SERVING)};
    cr_expect_eq(counter_get(&watch.messages), COUNT_OF(told));
    cr_expect_arr_eq(watch.seen, told, sizeof told);
    cr_expect_eq(watch.code, STATUS_UNAVAILABLE);
    cr_expect_eq(counter_get(&unknown.messages), 1);
    cr_expect_eq(unknown.seen[0], STATUS(SERVICE_UNKNOWN));
    cr_expect_eq(unknown.code, STATUS_UNAVAILABLE);
}

/* ---- Reflection. Our client sends one request and closes its side ---- */

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

#define ASK(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define TOLD(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

struct asking {
    reflection_response *response;
    struct counter ended;
    struct status st;
    bool ok;
};

static bool take_response(void *user, const uint8_t *bytes, size_t size)
{
    struct asking *asking = user;
    cr_assert_null(asking->response);
    asking->response = grpc__reflection__v1__server_reflection_response__unpack(NULL, size, bytes);
    return true;
}

static void asked(void *user, const struct status *st)
{
    struct asking *asking = user;
    asking->ok = st == NULL;
    if (st != NULL) {
        asking->st = *st;
    }
    counter_add(&asking->ended);
}

static struct asking ask_at(const char *path, const reflection_request *request)
{
    static const struct rpc_client_stream_ops ops = {take_response, asked};
    struct asking asking = {0};
    counter_init(&asking.ended);
    rpc_client_stream(fixture.client,
                      &(struct rpc_request){.path = path, .message = &request->base}, &ops,
                      &asking);
    counter_wait(&asking.ended, 1);
    return asking;
}

static reflection_response *ask(reflection_request *request)
{
    request->host = (char[]){"here"};
    struct asking asking =
        ask_at("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", request);
    cr_assert(asking.ok, "%s", asking.st.message);
    cr_assert_not_null(asking.response);
    cr_expect_str_eq(asking.response->valid_host, "here");
    cr_expect_eq(asking.response->original_request->message_request_case,
                 request->message_request_case);
    return asking.response;
}

static void done(reflection_response *response)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

static reflection_request request_for_list(void)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = ASK(LIST_SERVICES);
    request.list_services = (char *)(uintptr_t) "*";
    return request;
}

Test(reflection, services_are_listed)
{
    static const char *const names[] = {"rpc.test.Echo", "grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    reflection_request request = request_for_list();
    reflection_response *response = ask(&request);
    cr_assert_eq(response->message_response_case, TOLD(LIST_SERVICES_RESPONSE));
    cr_assert_eq(response->list_services_response->n_service, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        cr_expect_str_eq(response->list_services_response->service[i]->name, names[i]);
    }
    done(response);
}

Test(reflection, the_older_version_answers_too)
{
    reflection_request request = request_for_list();
    struct asking asking =
        ask_at("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &request);
    cr_assert(asking.ok);
    cr_expect_eq(asking.response->message_response_case, TOLD(LIST_SERVICES_RESPONSE));
    done(asking.response);
}

static void expect_echo_file(reflection_response *response)
{
    cr_assert_eq(response->message_response_case, TOLD(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *files = response->file_descriptor_response;
    cr_assert_eq(files->n_file_descriptor_proto, 1);
    Google__Protobuf__FileDescriptorProto *file = google__protobuf__file_descriptor_proto__unpack(
        NULL, files->file_descriptor_proto[0].len, files->file_descriptor_proto[0].data);
    cr_assert_not_null(file);
    cr_expect_str_eq(file->name, "echo.proto");
    cr_expect_eq(file->n_service, 1);
    google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    done(response);
}

Test(reflection, files_are_found_by_name_and_symbol)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = ASK(FILE_BY_FILENAME);
    request.file_by_filename = (char[]){"echo.proto"};
    expect_echo_file(ask(&request));
    request.message_request_case = ASK(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = (char[]){"rpc.test.Echo"};
    expect_echo_file(ask(&request));
}

Test(reflection, what_is_not_there_is_an_error_in_the_answer)
{
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    static const int cases[] = {ASK(FILE_BY_FILENAME), ASK(FILE_CONTAINING_SYMBOL),
                                ASK(FILE_CONTAINING_EXTENSION), ASK(ALL_EXTENSION_NUMBERS_OF_TYPE)};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        request.message_request_case = cases[i];
        request.file_by_filename = (char[]){"nothing"};
        if (cases[i] == ASK(FILE_CONTAINING_EXTENSION)) {
            request.file_containing_extension = &extension;
        }
        reflection_response *response = ask(&request);
        cr_assert_eq(response->message_response_case, TOLD(ERROR_RESPONSE));
        cr_expect_eq(response->error_response->error_code, STATUS_NOT_FOUND);
        done(response);
    }
}

Test(reflection, a_message_type_has_no_extensions)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = ASK(ALL_EXTENSION_NUMBERS_OF_TYPE);
    request.all_extension_numbers_of_type = (char[]){"rpc.test.EchoRequest"};
    reflection_response *response = ask(&request);
    cr_assert_eq(response->message_response_case, TOLD(ALL_EXTENSION_NUMBERS_RESPONSE));
    cr_expect_str_eq(response->all_extension_numbers_response->base_type_name,
                     "rpc.test.EchoRequest");
    cr_expect_eq(response->all_extension_numbers_response->n_extension_number, 0);
    done(response);
}

Test(reflection, nonsense_ends_the_stream)
{
    reflection_request request = request_for_list();
    request.list_services = (char *)(uintptr_t) "\xff";
    struct asking asking =
        ask_at("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &request);
    cr_expect(!asking.ok);
    cr_expect_eq(asking.st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(asking.st.field, "list_services");
}

Test(reflection, an_empty_request_is_answered)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    reflection_response *response = ask(&request);
    cr_assert_eq(response->message_response_case, TOLD(ERROR_RESPONSE));
    cr_expect_eq(response->error_response->error_code, STATUS_INVALID_ARGUMENT);
    done(response);
}
