/* library_plugin ADDRESS LIBRARY: loads the library as a plugin, uses it, unloads it, again and
 * again. Not linked with it. */
#include <dlfcn.h>

#include "library_checks.h"

struct library {
    void *handle;
    __typeof__(confreg_client_new) *client_new;
    __typeof__(confreg_call) *call;
    __typeof__(confreg_text_free) *text_free;
    __typeof__(confreg_client_free) *client_free;
};

static void find(const struct library *library, const char *name, void *to)
{
    void *symbol = dlsym(library->handle, name);
    CHECK(symbol != NULL);
    memcpy(to, &symbol, sizeof symbol);
}

static struct library load(const char *path)
{
    struct library library = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    if (library.handle == NULL) {
        puts(dlerror());
        exit(1);
    }
    find(&library, "confreg_client_new", &library.client_new);
    find(&library, "confreg_call", &library.call);
    find(&library, "confreg_text_free", &library.text_free);
    find(&library, "confreg_client_free", &library.client_free);
    return library;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const char *address = argv[1];
    for (int i = 0; i < 3; i++) {
        struct library library = load(argv[2]);
        struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
        options.addresses = &address;
        options.n_addresses = 1;
        struct confreg_client *client = library.client_new(&options, NULL);
        CHECK(client != NULL);
        struct confreg_text text;
        CHECK(library.call(client, "GetStatus", "{}", 2, NULL, &text, NULL));
        library.text_free(&text);
        library.client_free(client);
        CHECK(dlclose(library.handle) == 0);
    }
    puts("done");
    return 0;
}
