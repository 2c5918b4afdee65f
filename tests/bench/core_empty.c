/* The gRPC core as it comes, to measure against: `bench_core_empty HOST:PORT CERT KEY` listens with
 * the core's own listener and TLS, and answers each Health/Check with an empty message. */
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mem.h"

#define QUEUES 2 /* with a thread each */
#define REQUESTED 32
#define FILE_MAX_BYTES 65536
#define METHOD "/grpc.health.v1.Health/Check"

/* rpc/rpc_server.c goes without these, too. */
static grpc_arg without[] = {
    {.type = GRPC_ARG_INTEGER, .key = (char[]){GRPC_ARG_HTTP2_BDP_PROBE}},
    {.type = GRPC_ARG_INTEGER, .key = (char[]){GRPC_ARG_ENABLE_CHANNELZ}},
    {.type = GRPC_ARG_INTEGER, .key = (char[]){GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION}},
};

static grpc_server *server;
static void *method;

struct call {
    grpc_completion_queue *queue;
    grpc_call *core; /* NULL: none has arrived yet */
    gpr_timespec deadline;
    grpc_metadata_array headers;
    grpc_byte_buffer *request, *answer;
    int cancelled;
    bool is_answered;
};

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = mem_zalloc(FILE_MAX_BYTES + 1);
    if (file == NULL || fread(text, 1, FILE_MAX_BYTES, file) == 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return text;
}

static void request_call(grpc_completion_queue *queue)
{
    struct call *call = mem_zalloc(sizeof *call);
    call->queue = queue;
    grpc_metadata_array_init(&call->headers);
    grpc_server_request_registered_call(server, method, &call->core, &call->deadline,
                                        &call->headers, &call->request, queue, queue, call);
}

static void answer(struct call *call)
{
    grpc_slice nothing = grpc_empty_slice();
    call->is_answered = true;
    call->answer = grpc_raw_byte_buffer_create(&nothing, 1);
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->answer},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
         .data.recv_close_on_server.cancelled = &call->cancelled},
    };
    grpc_call_start_batch(call->core, ops, COUNT_OF(ops), call, NULL);
}

static void free_call(struct call *call)
{
    grpc_byte_buffer_destroy(call->request);
    grpc_byte_buffer_destroy(call->answer);
    grpc_metadata_array_destroy(&call->headers);
    grpc_call_unref(call->core);
    free(call);
}

static void *serve(void *queue)
{
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        struct call *call = event.tag;
        if (call->is_answered) {
            free_call(call);
        } else {
            request_call(queue);
            answer(call);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_core_empty HOST:PORT CERT KEY\n");
        return 2;
    }
    grpc_completion_queue *queues[QUEUES];
    grpc_init();
    grpc_channel_args args = {COUNT_OF(without), without};
    server = grpc_server_create(&args, NULL);
    grpc_ssl_pem_key_cert_pair pair = {read_file(argv[3]), read_file(argv[2])};
    grpc_server_credentials *credentials =
        grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL);
    method = grpc_server_register_method(server, METHOD, NULL,
                                         GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    for (size_t i = 0; i < QUEUES; i++) {
        queues[i] = grpc_completion_queue_create_for_next(NULL);
        grpc_server_register_completion_queue(server, queues[i], NULL);
    }
    if (grpc_server_add_http2_port(server, argv[1], credentials) == 0) {
        return EXIT_FAILURE;
    }
    grpc_server_start(server);
    for (size_t i = 0; i < QUEUES; i++) {
        pthread_t thread;
        for (size_t k = 0; k < REQUESTED; k++) {
            request_call(queues[i]);
        }
        pthread_create(&thread, NULL, serve, queues[i]);
    }
    pause(); /* the caller ends it by a signal */
    return EXIT_SUCCESS;
}
