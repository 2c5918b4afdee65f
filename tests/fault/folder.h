/* A folder with a store in it, which is gone afterwards: in memory where that can be had, since no
 * test here needs a real disk. */
#ifndef FAULT_FOLDER_H
#define FAULT_FOLDER_H

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[48];
    char address[80]; /* of the store */
    char database[72];
};

static inline void folder_init(struct folder *folder)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder->path, sizeof folder->path, "%s/confreg-fault-XXXXXX", parent);
    char *made = mkdtemp(folder->path);
    assert(made != NULL && "a folder can be made");
    snprintf(folder->database, sizeof folder->database, "%s/log.db", folder->path);
    snprintf(folder->address, sizeof folder->address, "sqlite:%s", folder->database);
}

static inline void folder_empty(const struct folder *folder)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", folder->database, suffixes[i]);
        unlink(path);
    }
}

static inline void folder_fini(const struct folder *folder)
{
    folder_empty(folder);
    rmdir(folder->path);
}

#endif
