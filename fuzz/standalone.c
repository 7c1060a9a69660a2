/* SPDX-License-Identifier: Apache-2.0 */
/* A main() for fuzz targets without libFuzzer: gives each file, and each file of each folder,
 * named on the command line to the target once.  So corpora are tests in every build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

enum { MAX_INPUT_BYTES = 1 << 26 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    char *data = NULL;
    size_t size = 0;
    tern_err err;
    if (ti_read_file(&data, &size, path, MAX_INPUT_BYTES, &err) != TERN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    /* A block of exactly this size, so that the address sanitizer sees a read past its end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, data, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(data);
    return exact ? 1 : -1;
}

/* Returns the number of inputs replayed, or -1. */
static int replay_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return replay(path);
    }
    int n = 0;
    for (struct dirent *e = readdir(dir); e && n >= 0; e = readdir(dir)) {
        if (e->d_name[0] == '.') {
            continue;
        }
        ti_buf name = {0};
        ti_buf_addf(&name, "%s/%s", path, e->d_name);
        n = name.failed || replay(name.data) < 0 ? -1 : n + 1;
        ti_buf_free(&name);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);
        if (n < 0) {
            return 1;
        }
        total += n;
    }
    printf("%d inputs replayed\n", total);
    return total == 0; /* an empty corpus tests nothing */
}
