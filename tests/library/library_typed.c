/* library_typed ADDRESS SERVICE: uses each typed call. */
#include "library_checks.h"

static struct confreg_error error;

/* Checks a config and releases it. */
static void is(const struct confreg_config *config, uint64_t version, const char *data)
{
    if (config == NULL) {
        printf("%s: %s\n", error.reason, error.message);
        exit(1);
    }
    CHECK(confreg_config_version(config) == version);
    CHECK(strcmp(confreg_config_data(config), data) == 0);
    CHECK(confreg_config_data_len(config) == strlen(data));
    confreg_config_unref(config);
}

static void write_it(struct confreg_client *client, const char *service)
{
    struct confreg_write_options options = CONFREG_WRITE_OPTIONS_INIT;
    is(confreg_create(client, "prod", service, "{\"a\":1}", 7, NULL, &error), 1, "{\"a\":1}");
    CHECK(confreg_create(client, "prod", service, "{}", 2, NULL, &error) == NULL);
    CHECK_ERROR(error, CONFREG_ALREADY_EXISTS, "CONFIG_EXISTS");
    options.expected_version = 7;
    CHECK(confreg_update(client, "prod", service, "{}", 2, &options, &error) == NULL);
    CHECK_ERROR(error, CONFREG_ABORTED, "VERSION_MISMATCH");
    options.expected_version = 1;
    options.comment = "more";
    options.author = "somebody";
    is(confreg_update(client, "prod", service, "{\"a\":2}", 7, &options, &error), 2, "{\"a\":2}");
    is(confreg_patch(client, "prod", service, CONFREG_MERGE_PATCH, "{\"b\":null,\"c\":3}", 16, NULL,
                     &error),
       3, "{\"a\":2,\"c\":3}");
    static const char patch[] = "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1.50}]";
    is(confreg_patch(client, "prod", service, CONFREG_JSON_PATCH, patch, strlen(patch), NULL,
                     &error),
       4, "{\"a\":1.50,\"c\":3}");
    CHECK(confreg_patch(client, "prod", service, (enum confreg_patch_kind)9, "{}", 2, NULL,
                        &error) == NULL);
    CHECK_ERROR(error, CONFREG_INVALID_ARGUMENT, "PATCH_KIND");
    is(confreg_rollback(client, "prod", service, NULL, &error), 5, "{\"a\":2,\"c\":3}");
}

static void read_it(struct confreg_client *client, const char *service)
{
    struct confreg_get_options options = CONFREG_GET_OPTIONS_INIT;
    options.version = 2;
    const struct confreg_config *config = confreg_get(client, "prod", service, &options, &error);
    CHECK(config != NULL);
    CHECK(strcmp(confreg_config_environment(config), "prod") == 0);
    CHECK(strcmp(confreg_config_service(config), service) == 0);
    CHECK(strcmp(confreg_config_author(config), "somebody") == 0);
    CHECK(strcmp(confreg_config_comment(config), "more") == 0);
    CHECK(strlen(confreg_config_epoch(config)) == 16);
    CHECK(confreg_config_revision(config) > 0 && confreg_config_time_us(config) > 0);
    uint64_t revision = confreg_config_revision(config);
    is(confreg_config_ref(config), 2, "{\"a\":2}");
    confreg_config_unref(config);
    options.version = 0;
    options.linearizable = true;
    options.min_revision = revision;
    is(confreg_get(client, "prod", service, &options, &error), 5, "{\"a\":2,\"c\":3}");
    struct confreg_diff_options versions = CONFREG_DIFF_OPTIONS_INIT;
    versions.old_version = 1;
    versions.new_version = 2;
    struct confreg_text diff;
    CHECK(confreg_diff(client, "prod", service, &versions, &diff, &error));
    CHECK(strstr(diff.data, "\"json_patch\":[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]"));
    confreg_text_free(&diff);
    CHECK(diff.data == NULL);
}

static uint64_t count(struct confreg_pages *pages, uint64_t *ret_last_version)
{
    uint64_t n = 0;
    for (const struct confreg_config *config;; n++) {
        CHECK(confreg_pages_next(pages, &config, &error));
        if (config == NULL) {
            confreg_pages_free(pages);
            return n;
        }
        *ret_last_version = confreg_config_version(config);
        confreg_config_unref(config);
    }
}

static void list_it(struct confreg_client *client, const char *service)
{
    struct confreg_list_options options = CONFREG_LIST_OPTIONS_INIT;
    uint64_t last = 0;
    options.page_size = 2;
    CHECK(count(confreg_history(client, "prod", service, &options, &error), &last) == 5);
    CHECK(last == 1);
    options.show_deleted = true;
    CHECK(confreg_history(client, "prod", service, &options, &error) == NULL);
    CHECK_ERROR(error, CONFREG_INVALID_ARGUMENT, "OPTION_UNUSED");
    CHECK(strcmp(error.field, "show_deleted") == 0);
    options.show_deleted = false;
    options.service_prefix = service;
    CHECK(count(confreg_list(client, &options, &error), &last) == 1);
    CHECK(last == 5);
}

static void delete_it(struct confreg_client *client, const char *service)
{
    struct confreg_write_options options = CONFREG_WRITE_OPTIONS_INIT;
    options.version = 4;
    CHECK(confreg_delete(client, "prod", service, &options, &error));
    CHECK(confreg_delete(client, "prod", service, NULL, &error));
    CHECK(!confreg_delete(client, "prod", service, NULL, &error));
    CHECK_ERROR(error, CONFREG_NOT_FOUND, "CONFIG_NOT_FOUND");
    struct confreg_write_options missing = CONFREG_WRITE_OPTIONS_INIT;
    missing.allow_missing = true;
    CHECK(confreg_delete(client, "prod", service, &missing, &error));
    is(confreg_undelete(client, "prod", service, NULL, &error), 6, "{\"a\":2,\"c\":3}");
    CHECK(confreg_undelete(client, "prod", service, &missing, &error) == NULL);
    CHECK_ERROR(error, CONFREG_INVALID_ARGUMENT, "OPTION_UNUSED");
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    struct confreg_client *client = client_of(argv[1], 0);
    write_it(client, argv[2]);
    read_it(client, argv[2]);
    list_it(client, argv[2]);
    delete_it(client, argv[2]);
    confreg_client_free(client);
    puts("done");
    return 0;
}
